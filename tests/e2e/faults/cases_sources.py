"""Failures of sources on web servers and of lists."""

from __future__ import annotations

from typing import Any

from e2e.faults.bench import Bench, Case, job
from e2e.faults.pictures import PLACE, placed
from e2e.world import Job
from imagejob_operator.naming.names import HEADER_ORIGINS

HURRIED = {"stagingDeadlineSeconds": 5}


def fetched(path: str, hurried: bool = False, **more: Any) -> Job:
    return sourced({"urls": [{"url": f"{PLACE}{path}?token=hidden", **more}]}, hurried)


def sourced(source: dict[str, Any], hurried: bool = False) -> Job:
    return job(source=source, execution=HURRIED if hurried else {})


def listing(lines: str) -> Any:
    """A list in the store."""
    return lambda bench: bench.shop.upload("lists/a", lines.encode())


LIST = sourced({"list": {"key": "lists/a"}})


def late_secret(bench: Bench, name: str) -> None:
    """The Secret and the operator's Role for it come after the job, as GitOps may bring them."""
    permit_secret(bench, PLACE)


def for_another_server(bench: Bench) -> None:
    """The operator may read the Secret, but its owner allows another origin only."""
    permit_secret(bench, "https://other.example")


def permit_secret(bench: Bench, origins: str) -> None:
    """Apply the Secret for the web server, and the Role with which the operator may read it."""
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["web"], "verbs": ["get"]}
    account = {"kind": "ServiceAccount", "name": "imagejob-operator", "namespace": "imagejob-system"}
    role = {"apiGroup": rbac, "kind": "Role", "name": "web"}
    metadata = {"metadata": {"name": "web"}}
    annotated = {"name": "web", "annotations": {HEADER_ORIGINS: origins}}
    secret = {"Authorization": "Bearer open-sesame"}
    apply, namespace = bench.shop.world.apply, bench.shop.name
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": annotated, "stringData": secret}
    apply(placed(body, bench.shop.world.pictures), namespace)
    apply({"apiVersion": f"{rbac}/v1", "kind": "Role", **metadata, "rules": [rule]}, namespace)
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", **metadata, "roleRef": role}
    apply({**binding, "subjects": [account]}, namespace)
    bench.ghosts.add("web")


URLS = (
    Case(
        "url-gone",
        "a web server answers 410",
        "JOB_002/SourceNotFound",
        evidence=("/gone/a.jpg returned HTTP 410",),
        job=fetched("/gone/a.jpg"),
    ),
    Case(
        "url-gone-within-policy",
        "one of two web pages is gone, and one item may fail",
        "Succeeded/SucceededWithFailures",
        within=10,
        outputs=1,
        job=job(
            source={"urls": [{"url": f"{PLACE}/gone/a.jpg"}, {"url": f"{PLACE}/china.jpg"}]},
            failurePolicy={"maxFailedItems": 1},
        ),
    ),
    Case(
        "url-denied",
        "a web server asks for a login",
        "JOB_002/AccessDenied",
        evidence=("/private/a.jpg returned HTTP 401",),
        job=fetched("/private/a.jpg"),
    ),
    Case(
        "url-secret-missing",
        "the Secret with the headers for a web server never comes",
        "JOB_002/AccessDenied",
        within=5,
        evidence=("headersSecretRef", "is not allowed to read the Secret 'web'", "stopped retrying after"),
        job=fetched("/private/a.jpg", hurried=True, headersSecretRef={"name": "web"}),
    ),
    Case(
        "url-secret-late",
        "the Secret with the headers, and the operator's Role for it, come after the job",
        "Succeeded",
        within=15,
        job=fetched("/private/china.jpg", headersSecretRef={"name": "web"}),
        then=late_secret,
    ),
    Case(
        "url-secret-elsewhere",
        "the Secret with the headers names another web server",
        "JOB_002/AccessDenied",
        evidence=("the Secret 'web'", "imagejob.dev/header-origins does not name that origin"),
        job=fetched("/private/china.jpg", headersSecretRef={"name": "web"}),
        broken=for_another_server,
    ),
    Case(
        "url-too-large",
        "a web server announces more bytes than an item may have",
        "JOB_002/SourceTooLarge",
        evidence=("1099511627776 bytes", "limits.itemSize"),
        job=fetched("/huge/a.jpg"),
    ),
    Case(
        "url-other-bytes",
        "the bytes behind a URL are not those that were asked for",
        "JOB_002/ChecksumMismatch",
        evidence=("has the SHA-256 digest 8378025a", "but sha256 is"),
        job=fetched("/china.jpg", sha256="0" * 64),
    ),
    Case(
        "url-of-metadata",
        "a URL names the address by which clouds hand out credentials",
        "JOB_002/BlockedAddress",
        evidence=("169.254.169.254", "link-local"),
        job=sourced({"urls": [{"url": "http://169.254.169.254/latest/meta-data/iam"}]}),
    ),
    Case(
        "url-of-the-cluster",
        "a URL names a Service of the cluster",
        "JOB_002/BlockedAddress",
        evidence=("kubernetes.default.svc", "private"),
        job=sourced({"urls": [{"url": "https://kubernetes.default.svc.cluster.local/api"}]}),
    ),
    Case(
        "url-of-the-operator",
        "a URL names the operator itself",
        "JOB_002/BlockedAddress",
        evidence=("[::ffff:127.0.0.1]", "IPv4-mapped"),
        job=sourced({"urls": [{"url": "http://[::ffff:127.0.0.1]:8080/metrics"}]}),
    ),
    Case(
        "url-leads-to-metadata",
        "a web server leads to the address by which clouds hand out credentials",
        "JOB_002/BlockedAddress",
        evidence=("169.254.169.254", "link-local"),
        job=fetched("/metadata/a.jpg"),
    ),
    Case(
        "url-leads-into-the-cluster",
        "a web server leads to a Service of the cluster",
        "JOB_002/BlockedAddress",
        evidence=("kubernetes.default.svc", "private"),
        job=fetched("/cluster/a.jpg"),
    ),
    Case(
        "url-in-a-circle",
        "a web server leads in a circle",
        "JOB_002/SourceUnreachable",
        evidence=("more than 5 redirects",),
        job=fetched("/circle/a.jpg"),
    ),
    Case(
        "url-no-such-host",
        "the name in a URL does not exist",
        "JOB_002/SourceUnreachable",
        within=10,
        evidence=("nowhere.invalid",),
        job=sourced({"urls": [{"url": "https://nowhere.invalid/a.jpg"}]}, hurried=True),
    ),
    Case(
        "url-compressed",
        "a web server sends compressed bytes, which are not inflated",
        "JOB_002/SourceUnreachable",
        evidence=("'gzip'",),
        job=fetched("/zipped/a.jpg"),
    ),
    Case(
        "url-half",
        "a web server breaks off in the middle of every answer",
        "JOB_002/SourceUnreachable",
        within=5,
        evidence=("the connection was closed early", "stopped retrying after"),
        job=fetched("/half/a.jpg", hurried=True),
    ),
    Case(
        "url-silent",
        "a web server takes the request and says nothing",
        "JOB_002/SourceUnreachable",
        within=15,
        evidence=("did not respond", "stopped retrying after", "stagingDeadlineSeconds (5 s)"),
        job=fetched("/silent/a.jpg", hurried=True),
    ),
    Case(
        "url-silent-within-policy",
        "one of two web pages is never sent, and one item may fail",
        "Succeeded/SucceededWithFailures",
        within=20,
        outputs=1,
        job=job(
            source={"urls": [{"url": f"{PLACE}/silent/a.jpg"}, {"url": f"{PLACE}/china.jpg"}]},
            failurePolicy={"maxFailedItems": 1},
            execution=HURRIED,
        ),
    ),
    Case(
        "url-busy",
        "a web server answers 503 for as long as the job may be staged",
        "JOB_002/SourceUnreachable",
        within=5,
        evidence=("/busy/a.jpg returned HTTP 503", "stopped retrying after"),
        job=fetched("/busy/a.jpg", hurried=True),
    ),
    Case(
        "url-busy-then-well",
        "a web server answers 503 twice, and then well",
        "Succeeded",
        within=15,
        job=fetched("/soon/china.jpg"),
    ),
)

LISTS = (
    Case(
        "list-missing",
        "the list of sources is not there",
        "JOB_002/SourceNotFound",
        evidence=("spec.source.list", "lists/a"),
        job=LIST,
    ),
    Case(
        "list-names-nothing",
        "a line of the list names an object that is not there",
        "JOB_002/SourceNotFound",
        evidence=("line 3", "photos/none.jpg"),
        job=LIST,
        broken=listing("photos/china.jpg\n\nphotos/none.jpg\n"),
    ),
    Case(
        "list-empty",
        "the list has no key in it",
        "JOB_002/SourceEmpty",
        evidence=("lists/a",),
        job=LIST,
        broken=listing("\n\n"),
    ),
    Case(
        "list-too-long",
        "the list has more keys than a run may",
        "JOB_002/TooManyItems",
        within=10,
        evidence=("line 100001", "100000"),
        job=LIST,
        broken=listing("\n".join(f"photos/{number}.jpg" for number in range(100_001))),
    ),
    Case(
        "list-climbs",
        "a line of the list leaves the namespace's part of the store",
        "JOB_001/InvalidSpec",
        evidence=("line 2", "../other/a.jpg"),
        job=LIST,
        broken=listing("photos/china.jpg\n../other/a.jpg\n"),
    ),
    Case(
        "list-twice",
        "the list contains a key twice",
        "JOB_001/KeyCollision",
        evidence=("line 2", "line 1"),
        job=LIST,
        broken=listing('photos/china.jpg\n{"key": "photos/china.jpg"}\n'),
    ),
)

SIZES = (
    Case(
        "source-too-large",
        "a source has more bytes than an item may have; it is not copied, and its Pod says so",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("photos/china.jpg: IMG_002", "limits.itemSize"),
        job=job(limits={"itemSize": "1Ki", "pixels": 1_000_000}),
    ),
)

NAMES = (
    Case(
        "same-unknown-ending",
        "renditions keep the format of each source, and the name of one says none",
        "JOB_001/InvalidSpec",
        evidence=("output.format Same", "photos/scan", "name a format"),
        job=job(
            source={"keys": ["photos/scan"]},
            renditions=[{"name": "web", "output": {"format": "Same"}}],
        ),
        broken=lambda bench: bench.shop.upload("photos/scan", b"whatever it is"),
    ),
)

CASES = (*URLS, *LISTS, *SIZES, *NAMES)
