"""In which language a response is: the pages in the reader's, the API in English, whatever the browser asks for.

A page's is that of the cookie which the form in its header sets, else the first of `LANGUAGES` that the browser asks for
(`Accept-Language`), else English. Browsers of Taiwan and Hong Kong (zh-TW, zh-HK) get Traditional Chinese; so do those that
ask for any other Chinese, of which it is the only one here.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

#: Of what programs read. Their words are a contract.
_ENGLISH = ("/api/", "/livez", "/readyz")


class LanguageMiddleware:
    """Answers in the language that the request asks for. Nothing of it is left for the thread's next request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_page = not request.path_info.startswith(_ENGLISH)
        language = translation.get_language_from_request(request) if is_page else "en"
        request.LANGUAGE_CODE = language  # as Django's LocaleMiddleware
        with translation.override(language):
            response = self.get_response(request)
        if is_page:
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
            response.headers.setdefault("Content-Language", language)
        return response
