// The routes that model servers have besides OpenAI's and Anthropic's API, as data: what passes to a provider under
// `/providers/NAME`. Whatever is not listed for a provider's kind does not pass.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md, https://docs.ollama.com/api,
// https://docs.vllm.ai/en/latest/serving/openai_compatible_server/, https://github.com/mostlygeek/llama-swap
import type { ProviderConfig } from '../../config/provider-types.ts'

type Kind = ProviderConfig['kind']

/** A method of a path. */
export interface NativeRoute {
  readonly method: 'DELETE' | 'GET' | 'HEAD' | 'POST'
  /** Below the server's root. `{slot}` and `{digest}` stand for a number and for a digest. */
  readonly path: string
  /**
   * `own_user`: what it returns is about the server and all of its clients. `management`: it changes the server. Absent: it
   * is a call like any other.
   */
  readonly needs?: 'own_user' | 'management'
  /** The response reports tokens. */
  readonly hasUsage?: true
  /** A member of the response that never passes. */
  readonly withheld?: 'modelfile'
  /** The body is a file, which is not looked into. */
  readonly isUpload?: true
}

const call = { method: 'POST' } as const
const generation = { method: 'POST', hasUsage: true } as const
const state = { method: 'GET' } as const
const facts = { method: 'GET', needs: 'own_user' } as const
const change = { method: 'POST', needs: 'management' } as const

type Table = Readonly<Record<string, readonly Omit<NativeRoute, 'path'>[]>>

/** By path, sorted, as the two below. */
const llamaCpp: Table = {
  '/apply-template': [call],
  '/completion': [generation],
  '/completions': [generation],
  '/detokenize': [call],
  '/embedding': [generation],
  '/embeddings': [generation],
  '/health': [state],
  '/infill': [generation],
  '/lora-adapters': [facts, change],
  '/metrics': [facts],
  '/models': [facts],
  '/models/load': [change],
  '/models/unload': [change],
  '/props': [facts, change],
  '/rerank': [generation],
  '/reranking': [generation],
  '/slots': [facts],
  '/slots/{slot}': [change],
  '/tokenize': [call],
  '/v1/health': [state],
  '/v1/models': [facts],
  '/v1/rerank': [generation],
  '/v1/reranking': [generation],
}

const ollama: Table = {
  '/api/blobs/{digest}': [
    { method: 'HEAD', needs: 'management' },
    { ...change, isUpload: true },
  ],
  '/api/chat': [generation],
  '/api/copy': [change],
  '/api/create': [change],
  '/api/delete': [{ method: 'DELETE', needs: 'management' }],
  '/api/embed': [generation],
  '/api/embeddings': [generation],
  '/api/generate': [generation],
  '/api/ps': [facts],
  '/api/pull': [change],
  '/api/push': [change],
  '/api/show': [{ ...call, withheld: 'modelfile' }],
  '/api/tags': [facts],
  '/api/version': [state],
  '/v1/models': [facts],
}

const vllm: Table = {
  '/classify': [generation],
  '/detokenize': [call],
  '/health': [state],
  '/load': [facts],
  '/metrics': [facts],
  '/ping': [state],
  '/pooling': [generation],
  '/rerank': [generation],
  '/reset_prefix_cache': [change],
  '/score': [generation],
  '/sleep': [change],
  '/tokenize': [call],
  '/v1/load_lora_adapter': [change],
  '/v1/models': [facts],
  '/v1/rerank': [generation],
  '/v1/score': [generation],
  '/v1/unload_lora_adapter': [change],
  '/v2/rerank': [generation],
  '/version': [state],
  '/wake_up': [change],
}

/** Whatever speaks OpenAI's protocol: llama-swap, or one of the servers above under that name. */
const compatible: Table = {
  '/apply-template': [call],
  '/classify': [generation],
  '/completion': [generation],
  '/detokenize': [call],
  '/health': [state],
  '/infill': [generation],
  '/metrics': [facts],
  '/pooling': [generation],
  '/props': [facts],
  '/rerank': [generation],
  '/reranking': [generation],
  '/running': [facts],
  '/score': [generation],
  '/slots': [facts],
  '/tokenize': [call],
  // llama-swap unloads at a GET.
  '/unload': [{ method: 'GET', needs: 'management' }],
  '/v1/models': [facts],
  '/v1/rerank': [generation],
  '/v1/reranking': [generation],
  '/v1/score': [generation],
  '/version': [state],
}

const tables: Readonly<Record<Kind, Table>> = {
  anthropic: {},
  echo: {},
  llama_cpp: llamaCpp,
  ollama,
  openai: compatible,
  vllm,
}

/** The routes of a kind of provider, sorted by path. */
export function nativeRoutesOf(kind: Kind): NativeRoute[] {
  return Object.entries(tables[kind]).flatMap(([path, routes]) => routes.map((route) => ({ path, ...route })))
}

/** Whether some kind of model server reports something at a path below its root. */
export function isServerState(path: string): boolean {
  return Object.values(tables).some(
    (table) =>
      Object.hasOwn(table, path) &&
      table[path]!.some(({ method, needs }) => method === 'GET' && needs !== 'management'),
  )
}

const parameters: readonly (readonly [prefix: string, form: RegExp, path: string])[] = [
  ['/slots/', /^\d{1,5}$/, '/slots/{slot}'],
  ['/api/blobs/', /^sha256[:-][0-9a-f]{64}$/, '/api/blobs/{digest}'],
]

/**
 * The routes of a path, for the methods that it has; empty if there are none.
 * @param path below the server's root, as the client wrote it: only its normal form is found, in which no program decodes or
 * resolves anything.
 */
export function findNativePath(kind: Kind, path: string): NativeRoute[] {
  const named = parameters.find(
    ([prefix, form]) => path.startsWith(prefix) && form.test(path.slice(prefix.length)),
  )
  const known = named?.[2] ?? path
  const table = tables[kind]
  if (!Object.hasOwn(table, known) || (named === undefined && known.includes('{'))) return []
  return table[known]!.map((route) => ({ path: known, ...route }))
}
