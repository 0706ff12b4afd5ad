import { type AccessClaims, type Generation } from "./claims.js";
import { asObject } from "./json.js";
import { LEEWAY } from "./verify.js";

/** What a revocation works on. */
export type Grain = (typeof GRAINS)[number];

/** One entry of the feed. */
export interface Revocation {
  readonly grain: Grain;
  readonly target: string;
  /** Tokens with a lower epoch are dead; absent or `null`: all are. */
  readonly gen?: number | null;
  /** When the last token that it hits has expired, in RFC 3339; absent: nobody knows. */
  readonly until?: string | undefined;
}

const GRAINS = ["token", "run", "chain", "credential", "identity", "project", "tenant", "issuer", "trust_rule"] as const;

/** The revocations that are in force, each kept until nothing that it hits can be accepted any more. */
export class RevocationSet {
  readonly #entries = new Map<string, { readonly below: number; readonly untilMs: number }>();

  /** How many are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Adds an entry; what it says is never weaker than what an earlier one said. */
  add({ grain, target, gen, until }: Revocation): void {
    const key = `${grain}\0${target}`;
    const known = this.#entries.get(key);
    const below = Math.max(gen ?? Number.POSITIVE_INFINITY, known?.below ?? 0);
    const untilMs = Math.max(until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until), known?.untilMs ?? 0);
    this.#entries.set(key, { below, untilMs });
  }

  /** The grain at which the token is revoked, if it is. */
  hit(claims: AccessClaims): Grain | undefined {
    const { gen } = claims;
    if (this.#hits("token", claims.jti)) return "token";
    if (this.#hits("run", claims.run?.key)) return "run";
    if (this.#hits("chain", claims.chain_id)) return "chain";
    if (this.#hits("credential", claims.credential_id, gen, "credential")) return "credential";
    if (this.#hits("trust_rule", claims.credential_id, gen, "credential")) return "trust_rule";
    if (this.#hits("issuer", claims.issuer_id)) return "issuer";
    if (this.#hits("identity", claims.identity_id, gen, "identity")) return "identity";
    if (this.#hits("identity", claims.principal_id, gen, "principal")) return "identity";
    if (this.#hits("project", claims.project_id, gen, "project")) return "project";
    if (this.#hits("tenant", claims.tenant_id, gen, "tenant")) return "tenant";
    return undefined;
  }

  /** Forgets what can hit nothing any more: past `until`, and past the leeway in which an expired token is taken. */
  prune(nowMs: number): void {
    for (const [key, { untilMs }] of this.#entries) {
      if (nowMs > untilMs + 2 * LEEWAY * 1000) this.#entries.delete(key);
    }
  }

  /** Without an epoch in the token, only an entry without one can hit. */
  #hits(grain: Grain, target: string | undefined, gen?: Generation, epoch?: keyof Generation): boolean {
    if (target === undefined) return false;
    const entry = this.#entries.get(`${grain}\0${target}`);
    if (!entry) return false;
    return gen && epoch ? (gen[epoch] ?? 0) < entry.below : entry.below === Number.POSITIVE_INFINITY;
  }
}

/** A page of the feed. Whatever this guard cannot read makes the whole page unreadable: ignoring it would let tokens live. */
export function parsePage(value: unknown): { entries: Revocation[]; next: string; asOfMs: number } {
  const page = asObject(value);
  const entries = page?.["entries"];
  const next = page?.["next"];
  const asOfMs = Date.parse(String(page?.["as_of"]));
  if (!Array.isArray(entries) || typeof next !== "string" || Number.isNaN(asOfMs)) {
    throw new TypeError("the answer is not a page of the revocation feed");
  }
  return { entries: entries.map(parseEntry), next, asOfMs };
}

function parseEntry(value: unknown): Revocation {
  const { grain, target, gen = null, until = undefined } = asObject(value) ?? {};
  const known = (GRAINS as readonly unknown[]).includes(grain);
  const epoch = gen === null || Number.isSafeInteger(gen);
  if (!known || typeof target !== "string" || !epoch || !(until === undefined || (typeof until === "string" && !Number.isNaN(Date.parse(until))))) {
    throw new TypeError("the revocation feed has an entry that this guard cannot read");
  }
  return { grain: grain as Grain, target, gen: gen as number | null, until: until as string | undefined };
}

