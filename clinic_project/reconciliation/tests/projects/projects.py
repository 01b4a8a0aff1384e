"""The projects: packages from PyPI, and the apps of each, beside those that all have."""

PROJECTS = {
    "django-oscar": """
        django.contrib.flatpages oscar.config.Shop oscar.apps.analytics.apps.AnalyticsConfig
        oscar.apps.checkout.apps.CheckoutConfig oscar.apps.address.apps.AddressConfig
        oscar.apps.shipping.apps.ShippingConfig oscar.apps.catalogue.apps.CatalogueConfig
        oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig oscar.apps.communication.apps.CommunicationConfig
        oscar.apps.partner.apps.PartnerConfig oscar.apps.basket.apps.BasketConfig oscar.apps.payment.apps.PaymentConfig
        oscar.apps.offer.apps.OfferConfig oscar.apps.order.apps.OrderConfig oscar.apps.customer.apps.CustomerConfig
        oscar.apps.search.apps.SearchConfig oscar.apps.voucher.apps.VoucherConfig
        oscar.apps.wishlists.apps.WishlistsConfig oscar.apps.dashboard.apps.DashboardConfig
        oscar.apps.dashboard.reports.apps.ReportsDashboardConfig oscar.apps.dashboard.users.apps.UsersDashboardConfig
        oscar.apps.dashboard.orders.apps.OrdersDashboardConfig oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig
        oscar.apps.dashboard.offers.apps.OffersDashboardConfig oscar.apps.dashboard.partners.apps.PartnersDashboardConfig
        oscar.apps.dashboard.pages.apps.PagesDashboardConfig oscar.apps.dashboard.ranges.apps.RangesDashboardConfig
        oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig
        oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig
        oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig
        widget_tweaks haystack treebeard django_tables2
    """,
    "wagtail": """
        wagtail.contrib.forms wagtail.contrib.redirects wagtail.contrib.search_promotions wagtail.embeds wagtail.sites
        wagtail.users wagtail.snippets wagtail.documents wagtail.images wagtail.search wagtail.admin wagtail
        modelcluster taggit
    """,
    "django-cms": "cms menus treebeard sekizai easy_thumbnails filer mptt",
    "dj-stripe": "djstripe",
    "django-allauth": """
        allauth allauth.account allauth.socialaccount allauth.mfa allauth.usersessions allauth.idp.oidc
    """,
    "django-oauth-toolkit": "oauth2_provider",
    "django-helpdesk": "django.contrib.humanize account pinax.invitations pinax.teams reversion helpdesk",
    "wiki": """
        django.contrib.humanize django_nyt mptt sorl.thumbnail wiki wiki.plugins.attachments wiki.plugins.notifications
        wiki.plugins.images wiki.plugins.macros
    """,
    "django-ledger": "django_ledger",
    "celery, guardian, reversion, axes, q2": """
        django_celery_beat django_celery_results guardian reversion axes django_q taggit
    """,
}
