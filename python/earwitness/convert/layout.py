"""Which tensors a Whisper model has, under whisper.cpp's names, with their shapes and order.

The names and shapes are those whisper.cpp creates in `whisper_model_load`. The order is the one in
which OpenAI's released checkpoints store them, hence that of the ggml files on the model hub, so
that a conversion of the same weights gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from earwitness.errors import ModelError

from .checkpoint import Hyperparameters, Tensor

# Kept in float32 whatever the weights (whisper.cpp's convert and quantize tools name these four).
ALWAYS_FLOAT32 = frozenset(
    {
        "encoder.conv1.bias",
        "encoder.conv2.bias",
        "encoder.positional_embedding",
        "decoder.positional_embedding",
    }
)


def _norm(shapes: dict[str, tuple[int, ...]], name: str, width: int) -> None:
    shapes[f"{name}.weight"] = (width,)
    shapes[f"{name}.bias"] = (width,)


def _linear(
    shapes: dict[str, tuple[int, ...]], name: str, rows: int, columns: int, *, bias: bool = True
) -> None:
    shapes[f"{name}.weight"] = (rows, columns)
    if bias:
        shapes[f"{name}.bias"] = (rows,)


def _attention(shapes: dict[str, tuple[int, ...]], name: str, width: int) -> None:
    _linear(shapes, f"{name}.query", width, width)
    _linear(shapes, f"{name}.key", width, width, bias=False)
    _linear(shapes, f"{name}.value", width, width)
    _linear(shapes, f"{name}.out", width, width)


def _block(shapes: dict[str, tuple[int, ...]], name: str, width: int, *, cross: bool) -> None:
    _norm(shapes, f"{name}.mlp_ln", width)
    _linear(shapes, f"{name}.mlp.0", 4 * width, width)
    _linear(shapes, f"{name}.mlp.2", width, 4 * width)
    _norm(shapes, f"{name}.attn_ln", width)
    _attention(shapes, f"{name}.attn", width)
    if cross:
        _norm(shapes, f"{name}.cross_attn_ln", width)
        _attention(shapes, f"{name}.cross_attn", width)


def expected_shapes(hyper: Hyperparameters) -> dict[str, tuple[int, ...]]:
    """Every tensor of a model with these dimensions: name to shape, in file order.

    Shapes are row-major as in PyTorch; the convolution biases are columns, because whisper.cpp
    adds them to a two-dimensional result.
    """
    width = hyper.n_audio_state
    shapes: dict[str, tuple[int, ...]] = {
        "decoder.positional_embedding": (hyper.n_text_ctx, width),
        "encoder.positional_embedding": (hyper.n_audio_ctx, width),
        "decoder.token_embedding.weight": (hyper.n_vocab, width),
    }
    for i in range(hyper.n_text_layer):
        _block(shapes, f"decoder.blocks.{i}", width, cross=True)
    _norm(shapes, "decoder.ln", width)
    shapes["encoder.conv1.weight"] = (width, hyper.n_mels, 3)
    shapes["encoder.conv1.bias"] = (width, 1)
    shapes["encoder.conv2.weight"] = (width, width, 3)
    shapes["encoder.conv2.bias"] = (width, 1)
    for i in range(hyper.n_audio_layer):
        _block(shapes, f"encoder.blocks.{i}", width, cross=False)
    _norm(shapes, "encoder.ln_post", width)
    return shapes


def check_tensors(hyper: Hyperparameters, tensors: Mapping[str, Tensor]) -> None:
    """Raise ModelError unless `tensors` is exactly what a model of these dimensions has."""
    shapes = expected_shapes(hyper)
    missing = [name for name in shapes if name not in tensors]
    if missing:
        raise ModelError(f"the checkpoint lacks {len(missing)} tensors, the first is {missing[0]}")
    extra = [name for name in tensors if name not in shapes]
    if extra:
        raise ModelError(
            f"the checkpoint has {len(extra)} tensors that Whisper has not, the first is {extra[0]}"
        )
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ModelError(f"tensor {name} has the shape {tensors[name].shape}, expected {shape}")
