"""Drives /scim/v2 of a running server with scim2-client, which checks each answer against the models of RFC 7643."""

import os
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, ListResponse, PatchOp, PatchOperation

TIMEOUT_SECONDS = 10


def main():
    settings = {name: os.environ.get(name, "") for name in ("ISSUER", "SCIM_TOKEN")}
    missing = [name for name, value in settings.items() if not value]
    if missing:
        print(f"{missing[0]} is not set", file=sys.stderr)
        return 2
    http = httpx2.Client(
        base_url=f"{settings['ISSUER']}/scim/v2/",
        headers={"Authorization": f"Bearer {settings['SCIM_TOKEN']}"},
        timeout=TIMEOUT_SECONDS,
    )
    checks = Checks(SyncSCIMClient(http, raise_scim_errors=False))
    checks.run()
    return 1 if checks.failed else 0


class Checks:
    """The checks, in turn; each prints one line."""

    def __init__(self, client):
        self.client = client
        self.failed = 0
        self.user = None
        self.group = None

    def run(self):
        self.check("discovery", self.discover)
        self.check("a person is made, and not twice", self.create)
        self.check("a person is found", self.query)
        self.check("a person is replaced", self.replace)
        self.check("a group takes members", self.groups)
        self.check("a person leaves and comes back", self.leave)
        self.check("what is deleted is gone", self.delete)

    def check(self, name, work):
        try:
            work()
            print(f"ok scim2-client: {name}")
        except Exception as error:  # noqa: BLE001: whatever it is, it is the check that failed
            self.failed += 1
            print(f"failed scim2-client: {name}: {type(error).__name__}: {error}")

    def discover(self):
        self.client.discover()
        config = self.client.provider.config
        assert config.patch.supported and not config.bulk.supported, config
        names = {kind.name for kind in self.client.provider.resource_types}
        assert names == {"User", "Group"}, names

    def create(self):
        User = self.client.get_resource_model("User")
        sent = User(user_name="pat@example.com", display_name="Pat", external_id="ext-pat", active=True)
        self.user = self.client.create(sent)
        assert self.user.user_name == "pat@example.com" and self.user.active, self.user
        again = self.client.create(User(user_name="pat@example.com"))
        assert isinstance(again, Error) and again.status == 409, again
        assert again.scim_type == "uniqueness", again

    def query(self):
        User = self.client.get_resource_model("User")
        found = self.client.query(User, query_parameters={"filter": 'userName eq "pat@example.com"'})
        assert isinstance(found, ListResponse) and found.total_results == 1, found
        one = self.client.query(User, self.user.id)
        assert one.external_id == "ext-pat", one
        missing = self.client.query(User, "nobody")
        assert isinstance(missing, Error) and missing.status == 404, missing

    def replace(self):
        self.user.display_name = "Pat Park"
        self.user = self.client.replace(self.user)
        assert self.user.display_name == "Pat Park", self.user

    def groups(self):
        Group = self.client.get_resource_model("Group")
        self.group = self.client.create(Group(display_name="Field Service"))
        add = PatchOperation(op=PatchOperation.Op.add, path="members", value=[{"value": self.user.id}])
        changed = self.client.modify(Group, self.group.id, PatchOp[Group](operations=[add]))
        assert [member.value for member in changed.members] == [self.user.id], changed

    def leave(self):
        User = self.client.get_resource_model("User")
        for active in (False, True):
            operation = PatchOperation(op=PatchOperation.Op.replace_, path="active", value=active)
            changed = self.client.modify(User, self.user.id, PatchOp[User](operations=[operation]))
            assert changed.active is active, changed

    def delete(self):
        User = self.client.get_resource_model("User")
        Group = self.client.get_resource_model("Group")
        assert self.client.delete(Group, self.group.id) is None
        assert self.client.delete(User, self.user.id) is None
        gone = self.client.query(User, self.user.id)
        assert isinstance(gone, Error) and gone.status == 404, gone


if __name__ == "__main__":
    sys.exit(main())
