"""What single models of Imagen's family refuse in `instances` and `parameters`, beside what all do. Pure.

Sources: Google's pages on Imagen's API, editing, upscaling, virtual try-on, product recontext and segmentation for the
members and bounds. The words are assumed, but for the count of instances (public reports).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from .reading import Members, count_in, flag_in, member, members_in, number_in, text_in, whole_in

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "personGeneration": ("dont_allow", "allow_adult", "allow_all"),
    "safetySetting": (
        *("block_low_and_above", "block_medium_and_above", "block_only_high", "block_none"),
        *("block_most", "block_some", "block_few", "block_fewest"),
    ),
    "sampleImageSize": ("1K", "2K"),
}
_EDIT_MODES: Final = (
    *("EDIT_MODE_DEFAULT", "EDIT_MODE_INPAINT_REMOVAL", "EDIT_MODE_INPAINT_INSERTION", "EDIT_MODE_OUTPAINT"),
    *("EDIT_MODE_CONTROLLED_EDITING", "EDIT_MODE_STYLE", "EDIT_MODE_BGSWAP", "EDIT_MODE_PRODUCT_IMAGE"),
)
_FACTORS: Final = ("x2", "x3", "x4")
_SEGMENT_MODES: Final = ("foreground", "background", "prompt", "semantic", "interactive")
_MOST_PRODUCTS: Final = 3

_Rule = Callable[[Members, Any], str | None]


def image_mistake(body: Any, model_id: str) -> str | None:
    """What refuses a predict request to an image model, or None."""
    instances, parameters = members_in(body, "instances"), member(body, "parameters")
    if len(instances) > 1:
        return f"1 instance(s) is allowed per prediction. Actual: {len(instances)}."
    rule = _rule_of(model_id, parameters)
    mistake = rule(instances[0], parameters) if instances and rule is not None else None
    return mistake or _parameter_mistake(parameters, model_id)


def _rule_of(model_id: str, parameters: Any) -> _Rule | None:
    rules: tuple[tuple[str, _Rule], ...] = (
        ("image-segmentation", _segmented),
        ("virtual-try-on", _tried_on),
        ("imagen-product-recontext", _recontexted),
        ("imagen-4.0-upscale", _upscaled),
        ("imagen-3.0-capability", _edited),
    )
    for start, rule in rules:
        if model_id.startswith(start):
            return rule
    return _upscaled if text_in(parameters, "mode") == "upscale" else None


def _edited(instance: Members, parameters: Any) -> str | None:
    mode = text_in(parameters, "editMode")
    if mode is not None and mode not in _EDIT_MODES:
        return f"Invalid value for `editMode`: {mode}. Supported values are: {', '.join(_EDIT_MODES)}."
    references = members_in(instance, "referenceImages")
    if not references and member(instance, "image") is None:
        return "Image editing failed: `referenceImages` must not be empty."
    ids = [whole_in(reference, "referenceId") for reference in references]
    if len(set(ids)) < len(ids):
        return "Image editing failed: each reference image needs a `referenceId` of its own."
    return None


def _upscaled(instance: Members, parameters: Any) -> str | None:
    if not _has_image(member(instance, "image")):
        return "Image upscaling failed: `image` must not be empty."
    factor = text_in(member(parameters, "upscaleConfig"), "upscaleFactor")
    if factor is not None and factor not in _FACTORS:
        return f"Invalid value for `upscaleFactor`: {factor}. Supported values are: {', '.join(_FACTORS)}."
    if (count_in(parameters, "sampleCount") or 1) > 1:
        return "Image upscaling failed: `sampleCount` must be 1."
    return None


def _tried_on(instance: Members, parameters: Any) -> str | None:
    del parameters
    if not _has_image(member(member(instance, "personImage"), "image")):
        return "Virtual try-on failed: `personImage` must not be empty."
    products = members_in(instance, "productImages")
    if len(products) == 1:
        return None
    return f"Virtual try-on failed: exactly 1 product image is allowed, not {len(products)}."


def _recontexted(instance: Members, parameters: Any) -> str | None:
    del parameters
    products = members_in(instance, "productImages")
    if 1 <= len(products) <= _MOST_PRODUCTS:
        return None
    return f"Product recontext failed: 1 to {_MOST_PRODUCTS} product images are allowed, not {len(products)}."


def _segmented(instance: Members, parameters: Any) -> str | None:
    mode = (text_in(parameters, "mode") or "").lower()
    if mode not in _SEGMENT_MODES:
        return f"Invalid value for `mode`: {mode or 'none'}. Supported values are: {', '.join(_SEGMENT_MODES)}."
    if not _has_image(member(instance, "image")):
        return "Image segmentation failed: `image` must not be empty."
    if mode in ("prompt", "semantic") and not text_in(instance, "prompt"):
        return f"Image segmentation failed: mode `{mode}` needs a `prompt`."
    if mode == "interactive" and member(instance, "scribble") is None:
        return "Image segmentation failed: mode `interactive` needs a `scribble`."
    return None


def _parameter_mistake(parameters: Any, model_id: str) -> str | None:
    for name, words in _WORDS.items():
        word = text_in(parameters, name)
        known = tuple(known.lower() for known in words)
        if word is not None and word.lower() not in known:
            return f"Invalid value for `{name}`: {word}. Supported values are: {', '.join(words)}."
    is_large = text_in(parameters, "sampleImageSize") == "2K"
    if is_large and ("fast" in model_id or not model_id.startswith("imagen-4.0")):
        return "`sampleImageSize` 2K isn't supported by this model."
    return _mixed_mistake(parameters)


def _mixed_mistake(parameters: Any) -> str | None:
    quality = number_in(member(parameters, "outputOptions"), "compressionQuality")
    if quality is not None and not 0 <= quality <= 100:
        return "Invalid value for `compressionQuality`: it must be between 0 and 100."
    seed = whole_in(parameters, "seed")
    if seed is not None and flag_in(parameters, "addWatermark"):
        return "Seed is not supported when watermark is enabled."
    return None


def _has_image(image: Any) -> bool:
    return bool(text_in(image, "bytesBase64Encoded") or text_in(image, "gcsUri"))
