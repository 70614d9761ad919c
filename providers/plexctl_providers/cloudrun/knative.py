"""The service in its other shape: Knative's (API v1), which `gcloud run services replace` takes.

Made from the v2 body alone, so that both say the same. Source of the names: the discovery document of v1, revision
20261031 (`ObjectMeta.annotations`); `run.googleapis.com/accelerator` is from Google's page on GPUs, read by a mirror.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GENERATIONS = {"EXECUTION_ENVIRONMENT_GEN1": "gen1", "EXECUTION_ENVIRONMENT_GEN2": "gen2"}
_INGRESS = {"INGRESS_TRAFFIC_ALL": "all"}


def knative_service(name: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Knative Service for a v2 Service. Raises KeyError for a setting that it cannot say: a bug of ours."""
    annotations = {
        "run.googleapis.com/ingress": _INGRESS[service["ingress"]],
        "run.googleapis.com/minScale": f"{service['scaling']['minInstanceCount']}",
    }
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": dict(service["labels"]), "annotations": annotations},
        "spec": {
            "template": _template(service["template"]),
            "traffic": [{"latestRevision": True, "percent": target["percent"]} for target in service["traffic"]],
        },
    }


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    (container,) = template["containers"]
    spec: dict[str, Any] = {
        "containerConcurrency": template["maxInstanceRequestConcurrency"],
        "timeoutSeconds": int(template["timeout"].removesuffix("s")),
    }
    if "serviceAccount" in template:
        spec["serviceAccountName"] = template["serviceAccount"]
    if "nodeSelector" in template:
        spec["nodeSelector"] = {"run.googleapis.com/accelerator": template["nodeSelector"]["accelerator"]}
    spec["containers"] = [_container(container)]
    if "volumes" in template:
        spec["volumes"] = [_volume(volume) for volume in template["volumes"]]
    metadata = {"labels": dict(template["labels"]), "annotations": _annotations(template, container["resources"])}
    return {"metadata": metadata, "spec": spec}


def _annotations(template: Mapping[str, Any], resources: Mapping[str, Any]) -> dict[str, str]:
    """Return what v1 says in annotations, which are texts all."""
    found = {
        "autoscaling.knative.dev/maxScale": f"{template['scaling']['maxInstanceCount']}",
        "run.googleapis.com/cpu-throttling": _word(resources["cpuIdle"]),
        "run.googleapis.com/startup-cpu-boost": _word(resources["startupCpuBoost"]),
        "run.googleapis.com/execution-environment": _GENERATIONS[template["executionEnvironment"]],
        "run.googleapis.com/sessionAffinity": _word(template["sessionAffinity"]),
    }
    if "gpuZonalRedundancyDisabled" in template:
        disabled = _word(template["gpuZonalRedundancyDisabled"])
        found["run.googleapis.com/gpu-zonal-redundancy-disabled"] = disabled
    return found


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    same = {key: container[key] for key in ("image", "ports")}
    same["env"] = [_variable(variable) for variable in container["env"]]
    same["resources"] = {"limits": container["resources"]["limits"]}
    return same | {key: container[key] for key in ("volumeMounts", "startupProbe", "livenessProbe") if key in container}


def _variable(variable: Mapping[str, Any]) -> dict[str, Any]:
    if "value" in variable:
        return dict(variable)
    reference = variable["valueSource"]["secretKeyRef"]
    return {
        "name": variable["name"],
        "valueFrom": {"secretKeyRef": {"name": reference["secret"], "key": reference["version"]}},
    }


def _volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    if "emptyDir" in volume:
        memory = volume["emptyDir"]
        return {"name": volume["name"], "emptyDir": {"medium": "Memory", "sizeLimit": memory["sizeLimit"]}}
    gcs = volume["gcs"]
    attributes = {"bucketName": gcs["bucket"], "mountOptions": ",".join(gcs["mountOptions"])}
    driver = {"driver": "gcsfuse.run.googleapis.com", "readOnly": gcs["readOnly"], "volumeAttributes": attributes}
    return {"name": volume["name"], "csi": driver}


def _word(claim: bool) -> str:  # noqa: FBT001 - a value to spell
    return "true" if claim else "false"
