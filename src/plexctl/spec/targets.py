"""What only one provider, or one family of them, needs to know."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from plexctl.spec.values import Count, Gigabytes, Line, VariableName

_Positive = Annotated[float, Meta(gt=0, le=1_000_000)]


class Local(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The local provider."""

    engine_python: Annotated[
        str | None,
        Meta(
            examples=["personaplex/.venv/bin/python"],
            description="Python of the environment in which NVIDIA's server is installed.",
            extra={"env": "PLEXCTL_ENGINE_PYTHON"},
        ),
    ] = None
    runtime: Annotated[
        Literal["process", "docker"],
        Meta(
            description="process, or docker: in a container, by Docker's or Podman's socket.",
            extra={"env": "PLEXCTL_RUNTIME"},
        ),
    ] = "process"


class Host(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hosts that are reached by ssh: ssh, lambda and ovh."""

    runtime: Annotated[
        Literal["auto", "docker", "python"],
        Meta(
            description="With Docker, or in Python environments of its own; auto: Docker where it is there.",
            extra={"env": "PLEXCTL_HOST_RUNTIME"},
        ),
    ] = "auto"
    public: Annotated[
        Line | None,
        Meta(
            examples=["voice.example.com"],
            description='Serve TLS to everyone under this domain name, or "ip" for the host\'s bare address; '
            "unset: reached through an ssh tunnel only.",
            extra={"env": "PLEXCTL_PUBLIC"},
        ),
    ] = None
    ssh_from: Annotated[
        Line | None,
        Meta(
            examples=["203.0.113.7/32"],
            description="Addresses (CIDR) from which ssh is let in; the caller's own when unset.",
            extra={"env": "PLEXCTL_SSH_FROM"},
        ),
    ] = None


class Ssh(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ssh provider: hosts of your own."""

    hosts: Annotated[
        tuple[Line, ...],
        Meta(
            examples=[["ubuntu@gpu.example.com:22"]],
            description="Hosts, each as user@host[:port]; with several, the first that will do.",
            extra={"env": "PLEXCTL_SSH_HOST"},
        ),
    ] = ()
    identity: Annotated[
        Line | None,
        Meta(
            examples=["~/.ssh/id_ed25519"],
            description="Private key file; the agent's keys when unset.",
            extra={"env": "PLEXCTL_SSH_IDENTITY"},
        ),
    ] = None
    jump: Annotated[
        Line | None,
        Meta(
            examples=["me@jump.example.com"],
            description="Jump host, as user@host[:port].",
            extra={"env": "PLEXCTL_SSH_JUMP"},
        ),
    ] = None
    accept_host_key: Annotated[
        tuple[Line, ...],
        Meta(
            examples=[["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]],
            description="Fingerprints of host keys that known_hosts does not know and you have compared.",
            extra={"env": "PLEXCTL_ACCEPT_HOST_KEY"},
        ),
    ] = ()


class Modal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Modal."""

    environment: Annotated[
        Line | None,
        Meta(
            examples=["main"],
            description="Modal environment; the profile's own when unset.",
            extra={"env": "PLEXCTL_MODAL_ENVIRONMENT"},
        ),
    ] = None
    gpu_fallbacks: Annotated[
        tuple[Line, ...],
        Meta(
            examples=[["A100-80GB", "H100"]],
            description="GPUs to take when the first is not free, in order, such as A100-80GB and H100.",
        ),
    ] = ()
    regions: Annotated[
        tuple[Line, ...],
        Meta(examples=[["us-east"]], description="Regions to run in; anywhere when empty, which starts sooner."),
    ] = ()
    min_containers: Annotated[
        Count,
        Meta(description="Containers kept up although nobody talks; each bills.", extra={"env": "PLEXCTL_MODAL_MIN"}),
    ] = 0
    max_containers: Annotated[
        Annotated[int, Meta(ge=1, le=1000)],
        Meta(description="Containers at most; one caller each.", extra={"env": "PLEXCTL_MODAL_MAX"}),
    ] = 1
    scaledown_window_s: Annotated[
        Annotated[int, Meta(ge=2, le=3600)],
        Meta(description="Seconds a container stays up after its last caller, at most."),
    ] = 300
    volume: Annotated[Line, Meta(description="Volume that keeps the weights.")] = "plexctl-weights"


class CloudRun(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Google Cloud Run."""

    project: Annotated[
        Line | None,
        Meta(examples=["my-project"], description="Google Cloud project.", extra={"env": "PLEXCTL_GOOGLE_PROJECT"}),
    ] = None
    repository: Annotated[Line, Meta(description="Artifact Registry repository for the image.")] = "plexctl"
    cpu: Annotated[
        Annotated[int, Meta(ge=4, le=44)] | None,
        Meta(
            examples=[8],
            description="CPUs; what the GPU asks for at least, and enough to load the weights, when unset.",
        ),
    ] = None
    memory_gib: Annotated[
        Gigabytes | None, Meta(examples=[32], description="Memory in GiB; enough for the weights when unset.")
    ] = None
    min_instances: Annotated[Count, Meta(description="Instances kept up although nobody talks; each bills.")] = 0
    max_instances: Annotated[
        Annotated[int, Meta(ge=1, le=1000)],
        Meta(description="Instances at most; new projects have quota for one."),
    ] = 1
    weights: Annotated[
        Literal["bucket", "memory"],
        Meta(description="Where the weights lie: in a bucket, kept, or in memory, fetched at each cold start."),
    ] = "bucket"
    bucket: Annotated[
        Line | None,
        Meta(examples=["my-weights"], description="Bucket for the weights; one of the deployment's own when unset."),
    ] = None
    zonal_redundancy: Annotated[
        bool, Meta(description="Keep a second GPU in reserve elsewhere; needs its own quota and costs more.")
    ] = False
    private: Annotated[bool, Meta(description="Let Google check callers as well, beside the access token.")] = False
    service_account: Annotated[
        Line | None,
        Meta(
            examples=["voice@my-project.iam.gserviceaccount.com"],
            description="Service account that the service runs as; the project's default when unset.",
        ),
    ] = None


class RunPod(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """RunPod."""

    cloud: Annotated[
        Literal["secure", "community"],
        Meta(description="secure (data centres) or community (other people's machines)."),
    ] = "secure"
    data_centers: Annotated[
        tuple[Line, ...],
        Meta(examples=[["EU-RO-1"]], description="Data centres to choose from; all when empty. Not for community."),
    ] = ()
    expose: Annotated[
        Literal["http", "tcp"],
        Meta(description="http: RunPod's proxy with TLS; tcp: a raw port with the gateway's own TLS."),
    ] = "http"
    disk_gb: Annotated[Gigabytes, Meta(description="Disk of the container.")] = 20
    volume_gb: Annotated[
        Annotated[int, Meta(ge=10, le=4096)], Meta(description="Volume for the weights; it goes with the pod.")
    ] = 40
    network_volume: Annotated[
        Line | None,
        Meta(
            examples=["agv6w2qcg7"], description="Id of a network volume for the weights, instead; it outlives the pod."
        ),
    ] = None
    registry: Annotated[
        Line | None,
        Meta(
            examples=["clzdaifot0001l90809257ynb"],
            description="Id of the registry credentials that RunPod keeps, for a private image.",
        ),
    ] = None
    console_secrets: Annotated[
        tuple[VariableName, ...],
        Meta(
            examples=[["HF_TOKEN"]],
            description="Secrets that you set in RunPod's console: their values are taken from there.",
        ),
    ] = ()


class Vast(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Vast.ai."""

    disk_gb: Annotated[Annotated[int, Meta(ge=8, le=65536)], Meta(description="Disk; it cannot grow.")] = 60
    countries: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)")], ...],
        Meta(examples=[["DE", "FR"]], description="Countries (two letters) to choose from; all when empty."),
    ] = ()
    min_reliability: Annotated[
        Annotated[float, Meta(ge=0, le=1)], Meta(description="Reliability of the host at least, 0 to 1.")
    ] = 0.98
    min_download_mbps: Annotated[_Positive, Meta(description="Download speed of the host at least, Mbit/s.")] = 300.0
    verified: Annotated[bool, Meta(description="Only hosts that Vast has verified.")] = True
    bid_usd_per_hour: Annotated[
        _Positive | None, Meta(examples=[0.25], description="Rent interruptible at this price; on demand when unset.")
    ] = None
    template: Annotated[
        Line | None,
        Meta(
            examples=["4e17788f74f075dd9aab7d0d4427968f"],
            description="Hash id of a template of yours at Vast with the registry's credentials, for a private image.",
        ),
    ] = None


class Lambda(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lambda Cloud."""

    region: Annotated[
        Line | None, Meta(examples=["us-east-1"], description="Region; the first with capacity when unset.")
    ] = None
    image_family: Annotated[Line, Meta(description="Image family of the instance.")] = "lambda-stack-24-04"
    file_system: Annotated[
        Line | None,
        Meta(examples=["weights"], description="File system that keeps the weights when the instance is gone."),
    ] = None


class Ovh(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """OVHcloud."""

    project: Annotated[
        Line | None,
        Meta(examples=["my-project"], description="Public Cloud project.", extra={"env": "PLEXCTL_OVH_PROJECT"}),
    ] = None
    region: Annotated[Line | None, Meta(examples=["GRA11"], description="Region, such as GRA11.")] = None
    product: Annotated[
        Literal["instance", "ai-deploy"],
        Meta(description="instance: a virtual machine; ai-deploy: a container (experimental)."),
    ] = "instance"
    image: Annotated[Line, Meta(description="Image of the instance.")] = "Ubuntu 24.04"
