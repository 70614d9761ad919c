#!/usr/bin/env bash
# Makes the deployment "personaplex" on Cloud Run with gcloud: what plexctl does by the calls in requests.json.
# Run it again after a change: what is there already stays. It needs gcloud, signed in, and GNU coreutils.
# Secrets are taken from the environment (PLEXCTL_TOKEN), and go to gcloud by standard input.
set -euo pipefail
cd "$(dirname "$0")"

PLEXCTL_ID="${PLEXCTL_ID:-byhand}" # a part of all names: another id is another deployment
GOOGLE_CLOUD_PROJECT="${GOOGLE_CLOUD_PROJECT:?the project to deploy to}"
: "${PLEXCTL_TOKEN:?the access token that callers will show}"
export CLOUDSDK_CORE_PROJECT="$GOOGLE_CLOUD_PROJECT" CLOUDSDK_CORE_DISABLE_PROMPTS=1
region="us-central1"
labels="managed-by=plexctl,plexctl-name=personaplex,plexctl-id=${PLEXCTL_ID}"
filled=$(mktemp -d)
trap 'rm -rf "$filled"' EXIT

exists() {
    "$@" >/dev/null 2>&1
}

# Writes a file with those of its placeholders filled in that are known by now.
fill() {
    sed \
        -e "s|\${GOOGLE_CLOUD_PROJECT}|${GOOGLE_CLOUD_PROJECT-}|g" \
        -e "s|\${PLEXCTL_CONTEXT}|${PLEXCTL_CONTEXT-}|g" \
        -e "s|\${PLEXCTL_ID}|${PLEXCTL_ID-}|g" \
        -e "s|\${PLEXCTL_IMAGE_DIGEST}|${PLEXCTL_IMAGE_DIGEST-}|g" \
        "$1" >"$filled/$1"
}

# keep_secret ID VALUE: a new version only where the value is new.
keep_secret() {
    exists gcloud secrets describe "$1" ||
        gcloud secrets create "$1" --replication-policy=automatic --labels="$labels"
    if [ "$(gcloud secrets versions access latest --secret="$1" 2>/dev/null)" != "$2" ]; then
        printf %s "$2" | gcloud secrets versions add "$1" --data-file=-
    fi
    gcloud secrets add-iam-policy-binding "$1" --member="serviceAccount:$account" \
        --role=roles/secretmanager.secretAccessor >/dev/null
}

# keep_bucket NAME [FLAG ...]: in the service's region, closed to the public.
keep_bucket() {
    local name=$1
    shift
    exists gcloud storage buckets describe "gs://$name" ||
        gcloud storage buckets create "gs://$name" --location="$region" --uniform-bucket-level-access \
            --public-access-prevention --soft-delete-duration=0s "$@"
    gcloud storage buckets update "gs://$name" --update-labels="$labels"
}

gcloud services enable \
    artifactregistry.googleapis.com \
    cloudbuild.googleapis.com \
    logging.googleapis.com \
    run.googleapis.com \
    secretmanager.googleapis.com \
    storage.googleapis.com

GOOGLE_CLOUD_PROJECT_NUMBER=$(gcloud projects describe "$GOOGLE_CLOUD_PROJECT" --format='value(projectNumber)')
account="${GOOGLE_CLOUD_PROJECT_NUMBER}-compute@developer.gserviceaccount.com"
keep_secret "plexctl-personaplex-${PLEXCTL_ID}-PLEXCTL_TOKEN" "$PLEXCTL_TOKEN"

repository="plexctl"
exists gcloud artifacts repositories describe "$repository" --location="$region" ||
    gcloud artifacts repositories create "$repository" --location="$region" --repository-format=docker \
        --labels=managed-by=plexctl
PLEXCTL_CONTEXT=$(find image -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12)
image="us-central1-docker.pkg.dev/${GOOGLE_CLOUD_PROJECT}/plexctl/plexctl-personaplex-${PLEXCTL_ID}:${PLEXCTL_CONTEXT}"
if ! exists gcloud artifacts docker images describe "$image"; then
    keep_bucket "plexctl-personaplex-${PLEXCTL_ID}-source"
    fill cloudbuild.yaml
    gcloud builds submit image --config="$filled/cloudbuild.yaml" \
        --gcs-source-staging-dir="gs://plexctl-personaplex-${PLEXCTL_ID}-source/source"
fi
PLEXCTL_IMAGE_DIGEST=$(gcloud artifacts docker images describe "$image" --format='value(image_summary.digest)')

service="plexctl-personaplex-${PLEXCTL_ID}"
fill service.yaml
gcloud run services replace "$filled/service.yaml" --region="$region"
gcloud run services add-iam-policy-binding "$service" --region="$region" --member=allUsers \
    --role=roles/run.invoker >/dev/null

url=$(gcloud run services describe "$service" --region="$region" --format='value(status.url)')
echo "$url is up. $url/health says when the model is; \`plexctl probe $url\` says whether it talks."
