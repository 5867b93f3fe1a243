// A translation as files: what a client sends, what of it the provider gets, what that returns, and what of it the client gets.
//
// vectors/NN-name/ holds `case.json` (`Case`) and of these what the case is about:
// `request.json` → `sent.json` (compared as values) or `refused.json` (code, param and a part of the message of the error);
// `response.json`, `response.sse` or `error.json` (`{"status", "body"}`) → `returned.json` (values), `returned.sse` or `returned.ndjson`
// (bytes), or `failed.json` (code and a part of the message).
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProviderTraits } from '../../../src/config/provider-types.ts'
import type { ClientDialect } from '../../../src/dialects/dialect.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { dialects } from '../../../src/dialects/table.ts'
import type {
  TranslatedEnd,
  TranslatedStep,
  Translation,
  Translator,
} from '../../../src/dialects/translator.ts'
import type { GatewayError } from '../../../src/errors.ts'
import { EventSplitter, isComment } from '../../../src/bytes/sse.ts'
import { openServerTraits } from '../../../src/upstream/providers/traits.ts'

export interface Case {
  /** Of the client, and the translator's `way`. */
  readonly dialect: string
  readonly way: string
  /** In what the provider differs from `openServerTraits`. */
  readonly traits?: Partial<ProviderTraits>
  /** The provider's name for the model; else `provider-model`. */
  readonly model?: string
  /** Bytes that must be in the request as the provider gets it. */
  readonly keeps?: readonly string[]
  readonly asksUsage?: boolean
  /** Exactly the members that were left out. */
  readonly dropped?: readonly string[]
}

export interface Vector extends Case {
  readonly name: string
  /** The text of a file of the vector, if it has it. */
  readonly file: (name: string) => string | undefined
}

export function readVectors(folder: string): readonly Vector[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .toSorted()
    .map((name) => {
      const leaves = readdirSync(join(folder, name))
      const texts = new Map(leaves.map((leaf) => [leaf, readFileSync(join(folder, name, leaf), 'utf8')]))
      const file = (leaf: string) => texts.get(leaf)
      return { ...(JSON.parse(file('case.json')!) as Case), name, file }
    })
}

export function clientDialect(name: string): ClientDialect {
  return [...dialects.keys()].find((each) => each.name === name)!
}

function translatorOf({ dialect, way }: Pick<Case, 'dialect' | 'way'>): Translator {
  return dialects.get(clientDialect(dialect))!.find((each) => each.way === way)!
}

export function readRequest(dialect: string, body: string | Buffer): ModelRequest | GatewayError {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return clientDialect(dialect).readRequest({ contentType: 'application/json', body: bytes })
}

/** Begins an attempt with ids that count up: `id1`, `id2`. */
export function begin(vector: Case, request: ModelRequest): Translation | GatewayError {
  let ids = 0
  return translatorOf(vector).begin(request, {
    model: vector.model ?? 'provider-model',
    traits: { ...openServerTraits, ...vector.traits },
    asksUsage: vector.asksUsage ?? false,
    promptTokens: 20,
    providerName: 'p',
    allowsManagement: false,
    now: () => 0,
    nowSeconds: 1_700_000_000,
    newId: () => `id${(ids += 1)}`,
  })
}

export function sentText({ body }: Translation): string {
  return (Buffer.isBuffer(body) ? body : Buffer.concat(body.parts)).toString()
}

/** What the client gets of a provider's stream that arrives in `chunks`; after an error event nothing remains to be sent. */
export function throughStream(
  {
    response,
    provider,
  }: { response: NonNullable<Translation['response']>; provider: Translator['provider'] },
  chunks: Iterable<Buffer>,
): { readonly bytes: string; readonly end: TranslatedEnd } {
  const written: Buffer[] = []
  const write = (bytes: Buffer) => void written.push(Buffer.from(bytes))
  response.head({ status: 200, headers: { 'content-type': 'text/event-stream' } })
  const splitter = new EventSplitter()
  let step: TranslatedStep
  const sink = {
    event: (event: Buffer) => {
      if (step !== undefined || isComment(event)) return
      step = response.event(provider.standardEvent(event), write)
    },
    overflow: () => {},
  }
  for (const chunk of chunks) splitter.push(Buffer.from(chunk), sink)
  splitter.end(sink)
  const end = step === undefined || step === 'over' ? response.end(write) : brokenBy(step)
  return { bytes: Buffer.concat(written).toString(), end }
}

function brokenBy(step: 'failed' | GatewayError): GatewayError | undefined {
  return step === 'failed' ? undefined : step
}

export function providerOf(vector: Case): Translator['provider'] {
  return translatorOf(vector).provider
}
