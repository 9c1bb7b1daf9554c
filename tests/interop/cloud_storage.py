"""What Google's official Cloud Storage client does with a bucket; a program of its own.

It runs in the interpreter of a client environment, where google-cloud-storage is installed and Understudy is not, with
STORAGE_EMULATOR_HOST set.

    in    {"uri": "gs://bucket/object"}
    out   one JSON object, see `main`
"""

import json
import sys
from hashlib import sha256

from google.cloud import storage  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]


def main() -> None:
    """Read, list, upload, delete; tell."""
    bucket_name, _, name = json.loads(sys.stdin.read())["uri"].removeprefix("gs://").partition("/")
    client = storage.Client(project="p")
    bucket = client.bucket(bucket_name)
    blob = bucket.blob(name)
    film = blob.download_as_bytes()
    blob.reload()
    picture = bucket.blob("pictures/one two.png")
    picture.upload_from_string(b"\x89PNG", content_type="image/png")
    print(
        json.dumps(
            {
                "sha256": sha256(film).hexdigest(),
                "part": blob.download_as_bytes(start=4, end=7).decode(),
                "type": blob.content_type,
                "size": blob.size,
                "listed": sorted(found.name for found in client.list_blobs(bucket_name)),
                "below": [found.name for found in client.list_blobs(bucket_name, prefix="pictures/")],
                "picture": bucket.get_blob("pictures/one two.png").download_as_bytes().hex(),
                "missing": bucket.get_blob("nothing") is None,
                "exists": [blob.exists(), bucket.blob("nothing").exists(), bucket.exists()],
            }
        )
    )
    blob.delete()
    print(json.dumps({"left": [found.name for found in client.list_blobs(bucket_name)]}))


if __name__ == "__main__":
    main()
