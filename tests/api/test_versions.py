"""Versions of a user: a strong ETag, If-None-Match and If-Match (RFC 9110)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from answers import refused
from rollcall.models import User
from threads import together


def etag(answer):
    value = answer.headers["ETag"]
    assert value.startswith('"'), "not a strong one"
    return value


def test_get_creation_and_change_carry_the_same_version(as_root):
    made = as_root.post("/users", json={"username": "bob", "email": "bob@example.org", "password": "a-fine-passphrase"})
    path = f"/users/{made.json['id']}"
    assert etag(made) == etag(as_root.get(path))
    changed = as_root.patch(path, json={"full_name": "Bob"})
    assert etag(changed) == etag(as_root.get(path)) != etag(made)


def test_me_has_a_version(as_ann, ann):
    assert etag(as_ann.get("/auth/me")) == etag(as_ann.get(f"/users/{ann.id}"))


@pytest.mark.parametrize("path", ["/users/{id}", "/auth/me"])
def test_the_same_version_is_not_sent_again(as_ann, ann, path):
    address = path.format(id=ann.id)
    tag = etag(as_ann.get(address))
    answer = as_ann.get(address, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    as_ann.patch(f"/users/{ann.id}", json={"full_name": "New"})
    assert as_ann.get(address, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("tag", ['""', "nonsense", '"other"'])
def test_another_version_gets_the_user(as_ann, ann, tag):
    assert as_ann.get(f"/users/{ann.id}", headers={"If-None-Match": tag}).status_code == 200


def test_changes_of_one_moment_are_different_versions(as_root, ann):
    seen = [etag(as_root.patch(f"/users/{ann.id}", json={"full_name": name})) for name in ("A", "B", "A", "B")]
    assert len(set(seen)) == 4


def test_a_new_password_is_a_new_version(as_root, ann):
    before = etag(as_root.get(f"/users/{ann.id}"))
    assert etag(as_root.patch(f"/users/{ann.id}", json={"password": "another-fine-passphrase"})) != before


def test_a_change_past_the_service_is_a_new_version(as_root, ann, engine):
    before = etag(as_root.get(f"/users/{ann.id}"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET full_name = 'Psql'"))
    answer = as_root.patch(f"/users/{ann.id}", json={"full_name": "X"}, headers={"If-Match": before})
    assert refused(answer, 412, "precondition_failed")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_an_outdated_version_writes_nothing(as_root, ann, session, method):
    outdated = etag(as_root.get(f"/users/{ann.id}"))
    as_root.patch(f"/users/{ann.id}", json={"is_superuser": True})
    body = {"json": {"full_name": "X"}} if method == "PATCH" else {}
    answer = as_root(method, f"/users/{ann.id}", headers={"If-Match": outdated}, **body)
    assert refused(answer, 412, "precondition_failed")
    stored = session.get(User, ann.id)
    assert (stored.full_name, stored.is_superuser) == ("Ann Lee", True)


@pytest.mark.parametrize("form", ["{0}", "*", '"other", {0}', '{0}, W/"weak"'])
def test_the_current_version_may_be_changed(as_root, ann, form):
    current = etag(as_root.get(f"/users/{ann.id}"))
    headers = {"If-Match": form.format(current)}
    assert as_root.patch(f"/users/{ann.id}", json={"full_name": "X"}, headers=headers).status_code == 200


@pytest.mark.parametrize("form", ["W/{0}", '"other"', '""', "nonsense", ""])
def test_what_is_not_the_current_version_is_refused(as_root, ann, form):
    headers = {"If-Match": form.format(etag(as_root.get(f"/users/{ann.id}")))}
    assert refused(as_root.patch(f"/users/{ann.id}", json={"full_name": "X"}, headers=headers), 412, "precondition_failed")


def test_a_compressed_answer_has_a_version_that_can_be_sent_back(as_root, make_user):
    person = make_user(full_name="漢" * 100, email=f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example")
    path = f"/users/{person.id}"
    headers = {"Accept-Encoding": "gzip"}
    first = as_root.get(path, headers=headers)
    tag = etag(first)
    assert as_root.get(path, headers=headers | {"If-None-Match": tag}).status_code == 304
    assert as_root.patch(path, json={"full_name": "漢字" * 50}, headers={"If-Match": tag}).status_code == 200
    assert refused(as_root.patch(path, json={"full_name": "字"}, headers={"If-Match": tag}), 412, "precondition_failed")


def test_of_two_changes_of_one_version_at_once_one_is_written(as_root, ann, session):
    headers = {"If-Match": etag(as_root.get(f"/users/{ann.id}"))}
    names = ["A", "B", "C", "D"]
    answers = together(
        [lambda name=name: as_root.patch(f"/users/{ann.id}", json={"full_name": name}, headers=headers) for name in names]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    [written] = [answer.json["full_name"] for answer in answers if answer.status_code == 200]
    assert session.get(User, ann.id).full_name == written


def test_nobody_to_change_is_said_before_the_version(as_root):
    assert refused(as_root.patch("/users/999", json={}, headers={"If-Match": '"x"'}), 404, "not_found")
