"""Two installations side by side: one for all namespaces, one with a class, and with rights in one only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from kubernetes import client

from demo.stack import OPERATOR
from e2e.second import Second, second_installation
from e2e.world import GROUP, PLURAL, VERSION, Shop, World, image_job, phase, reason, until, verdict
from localcluster.errors import ClusterError

OTHERS = 17
"""So many that their watches need more connections than one would think of."""


@pytest.fixture(scope="module")
def blue(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    with second_installation(world, "blue", tmp_path_factory.mktemp("blue"), OTHERS) as made:
        yield made


def may(world: World, account: str, *words: str) -> bool:
    with contextlib.suppress(ClusterError):
        return world.kubectl("auth", "can-i", *words, f"--as={account}").strip() == "yes"
    return False


def test_none_touches_the_jobs_of_the_other(world: World, blue: Second, shop: Shop) -> None:
    served = blue.shop
    since = world.audit.mark()
    keys = served.upload_photos("china.jpg")
    elsewhere = shop.upload_photos("coffee.png")
    shop.apply(image_job({"keys": elsewhere}, name="not-admitted", **{"class": "blue"}))
    served.apply(image_job({"keys": keys}, name="red", **{"class": "red"}))
    served.apply(image_job({"keys": keys}, name="mine", destination={"prefix": "mine/"}, **{"class": "blue"}))
    served.apply(image_job({"keys": keys}, name="plain", destination={"prefix": "plain/"}))

    for name, prefix in (("mine", "mine/"), ("plain", "plain/")):
        job = served.await_end(name, seconds=120)
        assert verdict(job) == ("Succeeded", "", ""), name
        assert len(served.outputs(prefix)) == 1
    served.await_clean()
    # Both have seen jobs that came later than these.
    assert phase(shop.get("not-admitted")) == ""
    assert phase(served.get("red")) == ""

    written = world.audit.writes(since, user=blue.account)
    assert {write.namespace for write in written} == {served.name, blue.home}
    assert {write.name for write in written if write.resource.startswith("imagejobs")} == {"mine"}
    theirs = world.audit.writes(since, namespace=served.name)
    assert {write.name for write in theirs if write.resource.startswith("imagejobs")} == {"plain"}

    assert may(world, blue.account, "create", "pods", "-n", served.name)
    for words in (
        ("list", "imagejobs.imagejob.dev", "--all-namespaces"),
        ("list", "imagejobs.imagejob.dev", "-n", shop.name),
        ("create", "pods", "-n", shop.name),
        ("create", "secrets", "-n", shop.name),
        ("list", "secrets", "-n", served.name),
        ("get", "namespace", shop.name),
    ):
        assert not may(world, blue.account, *words), words


def test_every_namespace_that_it_watches_is_served(world: World, blue: Second) -> None:
    """None of them is admitted to the store, so an answer from each is soon there."""
    job = image_job({"keys": ["photos/none.jpg"]}, **{"class": "blue"})
    for name in blue.others:
        world.apply(job, name)

    def answers() -> list[str]:
        found = world.objects.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"]
        return [reason(job) for job in found if job["metadata"]["namespace"] in blue.others and phase(job)]

    until("each job waits", lambda: answers() == ["NotPermitted"] * OTHERS, 30, lambda: str(answers()))


def test_a_namespace_that_denies_access_does_not_stop_the_others(world: World, blue: Second) -> None:
    """The administrator of one namespace removes the RoleBinding, another one deletes the namespace."""
    denied, deleted = blue.others[:2]
    rights = client.RbacAuthorizationV1Api(world.api)
    binding = rights.read_namespaced_role_binding("imagejob-operator", denied)
    rights.delete_namespaced_role_binding("imagejob-operator", denied)
    world.core.delete_namespace(deleted)
    world.core.delete_namespaced_pod(blue.pod().metadata.name, blue.home)
    world.kubectl("rollout", "status", "-n", blue.home, f"deployment/{OPERATOR}", "--timeout=90s")
    keys = blue.shop.upload_photos("china.jpg")
    job = image_job({"keys": keys}, name="beside", destination={"prefix": "beside/"}, **{"class": "blue"})
    blue.shop.apply(job)
    assert verdict(blue.shop.await_end("beside", 60)) == ("Succeeded", "", "")

    waits = image_job({"keys": ["photos/none.jpg"]}, name="waits", **{"class": "blue"})
    world.apply(waits, denied)
    where = (GROUP, VERSION, denied, PLURAL, "waits")
    assert phase(world.objects.get_namespaced_custom_object(*where)) == ""
    binding.metadata = client.V1ObjectMeta(name="imagejob-operator")
    rights.create_namespaced_role_binding(denied, binding)
    until(
        "the namespace is served again",
        lambda: reason(world.objects.get_namespaced_custom_object(*where)) == "NotPermitted",
        90,
    )
