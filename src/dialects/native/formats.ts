// llama.cpp's own routes as formats of model calls: requests that name a model, or have one by default. vLLM has two of them.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
import { MemberNames } from '../../bytes/json/member-names.ts'
import { GatewayError } from '../../errors.ts'
import type { ClientDialect, ReceivedRequest } from '../dialect.ts'
import { openAiDialects } from '../openai/formats.ts'
import { jsonScannerOf, readJsonRequest } from '../openai/json-request.ts'
import { infillMembers } from '../openai/prompt-size.ts'
import { bytesOf, type ModelRequest } from '../request.ts'
import { nativeStream, nativeUsage } from './format.ts'
import { managementIn, managementMembers } from './management.ts'

interface NativeFormat {
  /** At the provider's end. */
  readonly name: string
  readonly path: string
  /** Members that the model reads. Absent: it generates nothing. */
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
    prompt: ['prompt', ...infillMembers],
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
const decisive = ['max_tokens', 'model', 'n', 'n_predict', 'stream', ...managementMembers]

/** With `/reranking`, another name of a route that all of its servers have. */
export const nativeDialects: readonly ClientDialect[] = [
  ...formats.map(clientDialectOf),
  { ...rerank, path: '/reranking' },
]

function clientDialectOf({ name, path, prompt, withoutRoute, defaultModel }: NativeFormat): ClientDialect {
  const hasOutputTokens = prompt !== undefined
  const guarded = new MemberNames([...decisive, ...(prompt ?? [])], prompt)
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
    readRequest: (received, model) =>
      readNativeRequest({ guarded, hasOutputTokens, defaultModel }, received, model),
    renderError: completion.renderError,
    ownEvents: completion.ownEvents,
    rateHeaders: completion.rateHeaders,
  }
}

interface Reading {
  readonly guarded: MemberNames
  readonly hasOutputTokens: boolean
  readonly defaultModel: NativeFormat['defaultModel']
}

function readNativeRequest(
  { guarded, hasOutputTokens, defaultModel }: Reading,
  received: ReceivedRequest,
  model: string | undefined,
): ModelRequest | GatewayError {
  let managed: string | undefined
  const request = readJsonRequest(
    {
      hasStreamOptions: false,
      hasOutputTokens,
      guarded,
      modelHint: ` Name one, or set routes.default_model.${defaultModel} in the gateway's configuration.`,
      problemOf(members) {
        managed = managementIn(bytesOf(received.body), members)
        return undefined
      },
    },
    received,
    model,
  )
  if (request instanceof GatewayError) return request
  return managed === undefined ? request : Object.assign(request, { managed })
}
