// Signs in with a passkey, or makes one. Everything that decides is on the server.
"use strict";

const said = document.querySelector("[data-said]");
const say = (text) => { said.textContent = text; };

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
  });
  const told = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw new Error(told.detail || told.error_description || "the server said no");
  return told;
}

function wire(credential, members) {
  const response = {};
  for (const member of members) {
    const value = credential.response[member];
    if (value) response[member] = text(value);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
    extensions: credential.getClientExtensionResults ? {} : undefined,
  };
}

async function signIn(base) {
  const asked = await post(base + "/begin", {});
  const options = asked.options.publicKey;
  options.challenge = bytes(options.challenge);
  options.allowCredentials = [];
  const credential = await navigator.credentials.get({ publicKey: options });
  const members = ["authenticatorData", "clientDataJSON", "signature", "userHandle"];
  await post(base + "/finish", { ceremony: asked.ceremony, credential: wire(credential, members) });
}

async function register(base, name) {
  // The link stands behind the #, so that it is in no log and no history of a proxy.
  const link = location.hash.slice(1);
  if (!link) throw new Error("this page is opened with the link that `countersign passkey add` prints");
  const asked = await post(base + "/begin", { link });
  const options = asked.options.publicKey;
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  options.excludeCredentials = (options.excludeCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
  const credential = await navigator.credentials.create({ publicKey: options });
  const members = ["attestationObject", "clientDataJSON"];
  await post(base + "/finish", { link, ceremony: asked.ceremony, name, credential: wire(credential, members) });
}

const form = document.querySelector("form[data-passkey]");
if (form && !window.PublicKeyCredential) say("this browser has no passkeys, or the page is not reached by https or localhost");
if (form) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("");
  try {
    if (form.dataset.passkey === "register") await register(form.action, form.elements.name.value);
    else await signIn(form.action);
    location.assign(form.dataset.next);
  } catch (error) {
    say(error.name === "NotAllowedError" ? "nothing was shown, or it took too long: try again" : error.message);
    button.disabled = false;
  }
});
