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
  const asked = await post(base + "/begin", { link });
  const options = asked.options.publicKey;
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  options.excludeCredentials = (options.excludeCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
  const credential = await navigator.credentials.create({ publicKey: options });
  const members = ["attestationObject", "clientDataJSON"];
  await post(base + "/finish", { link, ceremony: asked.ceremony, name, credential: wire(credential, members) });
}

// Who has a one-time code instead of a link gets a link for it. It may be of another tenant, whose page is another one.
async function enrol(base, code) {
  const { url } = await post(base + "/enrol", { code: code.trim() });
  const there = new URL(url);
  if (there.pathname === location.pathname) location.hash = there.hash;
  else location.assign(url);
}

const work = {
  "enrol": (form) => enrol(form.action, form.elements.code.value),
  "register": (form) => register(form.action, form.elements.name.value),
  "sign-in": (form) => signIn(form.action),
};

const forms = document.querySelectorAll("form[data-passkey]");

// With a link the page makes a passkey; without one it asks for a code.
function choose() {
  for (const form of forms) {
    if (form.dataset.passkey === "register") form.hidden = !location.hash;
    if (form.dataset.passkey === "enrol") form.hidden = Boolean(location.hash);
  }
}

for (const form of forms) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("");
  try {
    await work[form.dataset.passkey](form);
    if (form.dataset.next) location.assign(form.dataset.next);
  } catch (error) {
    say(error.name === "NotAllowedError" ? "nothing was shown, or it took too long: try again" : error.message);
  }
  button.disabled = false;
});

addEventListener("hashchange", choose);
choose();
if (forms.length && !window.PublicKeyCredential) say("this browser has no passkeys, or the page is not reached by https or localhost");
