// llama.cpp's own routes as formats of model calls: requests that name a model, or have one by default. vLLM has two of them.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { ClientDialect } from '../dialect.ts'
import { openAiDialects } from '../openai/formats.ts'
import { type JsonFormat, jsonScannerOf, readJsonRequest } from '../openai/json-request.ts'
import { nativeStream, nativeUsage } from './format.ts'
import { managementMembers, serverWishes } from '../management.ts'

interface NativeFormat {
  /** At the provider's end. */
  readonly name: string
  readonly path: string
  /** Members that the model reads, in the order in which it does. Absent: it generates nothing. */
  readonly prompt?: readonly string[]
  readonly withoutRoute: string
  /** The entry of `routes.default_model`. */
  readonly defaultModel: 'infill' | 'native'
}

const ofLlamaCpp = 'It is a route of llama.cpp.'
const ofBoth = 'It is a route of llama.cpp and vLLM.'

const formats: readonly NativeFormat[] = [
  { name: 'apply_template', path: '/apply-template', withoutRoute: ofLlamaCpp, defaultModel: 'native' },
  {
    name: 'llama_completion',
    path: '/completion',
    prompt: ['prompt'],
    withoutRoute: `${ofLlamaCpp} Others have /v1/completions.`,
    defaultModel: 'native',
  },
  { name: 'detokenize', path: '/detokenize', withoutRoute: ofBoth, defaultModel: 'native' },
  {
    name: 'infill',
    path: '/infill',
    prompt: ['input_extra', 'input_prefix', 'prompt', 'input_suffix'],
    withoutRoute: ofLlamaCpp,
    defaultModel: 'infill',
  },
  { name: 'tokenize', path: '/tokenize', withoutRoute: ofBoth, defaultModel: 'native' },
]

/** How they are called at the provider's end. */
export const nativeFormatNames: readonly string[] = formats.map(({ name }) => name)

const completion = openAiDialects.find(({ name }) => name === 'completion')!
const rerank = openAiDialects.find(({ name }) => name === 'rerank')!

/** What decides what a call costs and where it goes. */
const decisive = ['max_tokens', 'model', 'n', 'n_cmpl', 'n_predict', 'stream', ...managementMembers]

/** With `/reranking`, another name of a route that all of its servers have. */
export const nativeDialects: readonly ClientDialect[] = [
  ...formats.map(clientDialectOf),
  { ...rerank, path: '/reranking' },
]

function clientDialectOf({ name, path, prompt, withoutRoute, defaultModel }: NativeFormat): ClientDialect {
  const hasOutputTokens = prompt !== undefined
  const guarded = new MemberNames([...decisive, ...(prompt ?? [])], prompt)
  const modelHint = ` Name one, or set routes.default_model.${defaultModel} in the gateway's configuration.`
  const format: JsonFormat = {
    hasStreamOptions: false,
    hasOutputTokens,
    guarded,
    modelHint,
    promptValues: (_, members) => (prompt ?? []).flatMap((member) => members.get(member)?.value ?? []),
    wishesOf: serverWishes,
  }
  return {
    name: 'other',
    path,
    bodies: ['json'],
    hasEvents: hasOutputTokens,
    hasOutputTokens,
    isPaidByTokens: true,
    native: {
      ...completion.native,
      ...nativeStream,
      name,
      path: `/${path}`,
      usage: nativeUsage,
      withoutRoute,
    },
    scannerOf: (_, bytes) => jsonScannerOf(bytes, guarded),
    readRequest: (received, model) => readJsonRequest(format, received, model),
    renderError: completion.renderError,
    ownEvents: completion.ownEvents,
    rateHeaders: completion.rateHeaders,
  }
}
