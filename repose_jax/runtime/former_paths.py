"""The paths of parameters in checkpoints of earlier versions."""

import re

_FORMER = tuple(  # norms were beside the layers that now own them
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"attention\.qkv\.norm\.", "norm_attention."),
        (r"mlp\.fc1\.norm\.", "norm_mlp."),
        (r"representation\.norm\.", "norm."),
        (r"head\.norm\.", "norm."),  # MixSTE's
        (r"head\.(?=(kernel|bias)\b)", "head.linear."),  # PoseFormer's and PoseFormerV2's
        (r"attentions\.(\d+)\.qkv\.norm\.", r"norms.\1."),  # MHFormer's from here
        (r"attentions\.(\d+)\.query\.norm\.", r"norms.\1.0."),
        (r"attentions\.(\d+)\.key\.norm\.", r"norms.\1.1."),
        (r"attentions\.(\d+)\.value\.norm\.", r"norms.\1.2."),
    )
)


def former_path(path: str) -> str:
    """Returns the path of a parameter in earlier checkpoints.

    It is meant for parameters that a checkpoint lacks, as another model may have kept its path.

    Args:
        path: names joined by dots, such as "params.model.layers.0.norm.scale".
    """
    for pattern, replacement in _FORMER:
        if pattern.search(path):
            return pattern.sub(replacement, path)
    return path
