// A person's passkey signs what they decide: the server asks, the browser answers, and the answer is kept as evidence.

const bytes = (text: string) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
const text = (buffer: ArrayBuffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');

interface Asked {
  publicKey: Omit<PublicKeyCredentialRequestOptions, 'challenge' | 'allowCredentials'> & {
    challenge: string;
    allowCredentials?: { id: string; type: 'public-key'; transports?: AuthenticatorTransport[] }[];
  };
}

/** The answer of one of the person's passkeys to what the server asks. */
export async function sign(options: unknown): Promise<Record<string, never>> {
  const { publicKey: asked } = options as Asked;
  const publicKey: PublicKeyCredentialRequestOptions = {
    ...asked,
    challenge: bytes(asked.challenge),
    allowCredentials: asked.allowCredentials?.map((one) => ({ ...one, id: bytes(one.id) })),
  };
  const credential = await navigator.credentials.get({ publicKey }).catch((error) => {
    throw error.name === 'NotAllowedError'
      ? new Error('No passkey was shown, or it took too long: nothing was decided. Try again.')
      : error;
  });
  if (!(credential instanceof PublicKeyCredential)) throw new Error('This browser gave no passkey.');
  const response = credential.response as AuthenticatorAssertionResponse;
  const answer = {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    extensions: {},
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
    },
  };
  // The document of the API calls it an object, and says no more of it.
  return answer as unknown as Record<string, never>;
}
