/* A session's secret, which the client makes, so that a repeated opening does not make a second session. */

/** 128 random bits in base64url. */
export async function newToken() {
	const crypto = globalThis.crypto ?? (await import('node:crypto')).webcrypto; // Node 18 has it there only.
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').slice(0, 22);
}
