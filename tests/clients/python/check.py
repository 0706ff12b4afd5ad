"""Drives a running server with Authlib. The variables stand in ../README.md."""

import json
import os
import sys
import time

# The issuer is on loopback: no TLS between us and it.
os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet, import_key

TIMEOUT_SECONDS = 10


def main():
    settings = {name: os.environ.get(name, "") for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "AUDIENCE")}
    missing = [name for name, value in settings.items() if not value]
    if missing:
        print(f"{missing[0]} is not set", file=sys.stderr)
        return 2
    checks = Checks(**{name.lower(): value for name, value in settings.items()})
    checks.run()
    return 1 if checks.failed else 0


class Checks:
    """The checks, in turn; each prints one line."""

    def __init__(self, issuer, client_id, client_secret, audience):
        self.issuer = issuer
        self.client_id = client_id
        self.client_secret = client_secret
        self.audience = audience
        self.metadata = {}
        self.failed = 0

    def run(self):
        self.check("discovery", self.discovery)
        if not self.metadata:
            return
        for method in ("client_secret_basic", "client_secret_post"):
            name = f"client_credentials, {method}, verified with the published keys"
            self.check(name, lambda method=method: self.verify(self.token(self.session(method))))
        self.check("introspection, then revocation, then introspection", self.introspect_and_revoke)
        self.check("a wrong secret is invalid_client", self.wrong_secret)
        if os.environ.get("KEY_CLIENT_ID") and os.environ.get("PRIVATE_JWK_FILE"):
            self.check("client_credentials, private_key_jwt", self.private_key_jwt)
        else:
            print("skipped Authlib: private_key_jwt, KEY_CLIENT_ID and PRIVATE_JWK_FILE are not set")

    def check(self, name, work):
        try:
            work()
            print(f"ok Authlib: {name}")
        except Exception as error:  # whatever the library throws is the finding
            self.failed += 1
            print(f"FAILED Authlib: {name}: {type(error).__name__}: {error}")

    def discovery(self):
        answer = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        metadata = answer.json()
        expect(metadata["issuer"] == self.issuer, f"issuer is {metadata['issuer']}")
        expect("client_credentials" in metadata["grant_types_supported"], "client_credentials is not advertised")
        self.metadata = metadata

    def session(self, method, client_id=None, client_secret=None):
        return OAuth2Session(
            client_id or self.client_id,
            client_secret or self.client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            default_timeout=TIMEOUT_SECONDS,
        )

    def token(self, session):
        name = "resource" if "://" in self.audience else "audience"
        endpoint = self.metadata["token_endpoint"]
        answer = session.fetch_token(endpoint, grant_type="client_credentials", **{name: self.audience})
        expect(answer["token_type"].lower() == "bearer", f"token_type is {answer['token_type']}")
        expect("refresh_token" not in answer, "a refresh token came along")
        return answer["access_token"]

    def verify(self, token):
        keys = requests.get(self.metadata["jwks_uri"], timeout=TIMEOUT_SECONDS).json()
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256", "RS256"])
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        ).validate(decoded.claims)
        expect(decoded.header["typ"] == "at+jwt", f"typ is {decoded.header['typ']}")
        expect(isinstance(decoded.claims["aud"], str), "aud is not a string")
        expect(isinstance(decoded.claims["actions"], list), "actions is not a list")

    def introspect_and_revoke(self):
        owner = self.session("client_secret_basic")
        server = self.session(
            "client_secret_basic", os.environ.get("RS_CLIENT_ID"), os.environ.get("RS_CLIENT_SECRET")
        )
        token = self.token(owner)
        before = server.introspect_token(self.metadata["introspection_endpoint"], token=token).json()
        expect(before["active"] is True, "a fresh token is not active")
        revoked = owner.revoke_token(self.metadata["revocation_endpoint"], token=token)
        expect(revoked.status_code == 200, f"revocation answers {revoked.status_code}")
        after = server.introspect_token(self.metadata["introspection_endpoint"], token=token).json()
        expect(after == {"active": False}, f"the revoked token answers {after}")

    def wrong_secret(self):
        session = self.session("client_secret_basic", client_secret=self.client_secret + "x")
        try:
            self.token(session)
        except OAuthError as error:
            expect(error.error == "invalid_client", f"it is {error.error}")
            return
        raise AssertionError("it was not refused")

    def private_key_jwt(self):
        with open(os.environ["PRIVATE_JWK_FILE"], encoding="utf-8") as file:
            jwk = json.load(file)
        session = OAuth2Session(
            os.environ["KEY_CLIENT_ID"],
            import_key(jwk),
            token_endpoint_auth_method="private_key_jwt",
            default_timeout=TIMEOUT_SECONDS,
        )
        # What Authlib calls the token endpoint here is the `aud` of the assertion: the issuer, never an endpoint. Its
        # own assertions live an hour, which is more than a strict server takes.
        header = {"kid": jwk["kid"]} if "kid" in jwk else None
        claims = {"exp": int(time.time()) + 60}
        method = PrivateKeyJWT(self.issuer, alg=jwk.get("alg", "ES256"), headers=header, claims=claims)
        session.register_client_auth_method(method)
        self.verify(self.token(session))


def expect(holds, sentence):
    if not holds:
        raise AssertionError(sentence)


if __name__ == "__main__":
    sys.exit(main())
