"""The admin's form for templates."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ..models import MedicalRecordTemplate


class TemplateForm(forms.ModelForm):
    """Refuses to overwrite what somebody else has saved since the form was opened."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = MedicalRecordTemplate
        fields = ("name", "description", "version")

    def clean(self) -> dict[str, Any] | None:
        # The admin saves in the transaction in which it validates: the lock holds until then.
        current = MedicalRecordTemplate.objects.select_for_update().get(pk=self.instance.pk)
        if current.version != self.cleaned_data.get("version"):
            raise ValidationError("Somebody has changed this template meanwhile. Open it again to see how.")
        return super().clean()
