// A gateway of several worker threads, and clients that each bring a connection of their own.
import { request as httpRequest } from 'node:http'
import { type Chosen, startGateway, type TestGateway } from '../support/app.ts'
import { type Cleanup, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'

export interface Working {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
}

export interface Settings {
  /** YAML of `rate_limit_settings`. */
  readonly limits?: string
  /** Further keys of `server`, as YAML. */
  readonly server?: string
  /** Names of models besides `plain` and `other`. */
  readonly models?: readonly string[]
}

export const workers = 3

/** The key of the provider; it has to come through to every worker. */
export const workersKey = 'sk-workers-77c1'

export function workersYaml(url: string, { limits, server = '', models = [] }: Settings = {}): string {
  return `
server: { workers: ${workers}${server} }
providers: { scripted: { base_url: "${url}/v1", api_key: { env: SCRIPTED_KEY } } }
models: { ${['plain', 'other', ...models].map((name) => `${name}: { provider: scripted }`).join(', ')} }
rate_limit_settings: ${limits ?? '{ per_client: {} }'}
routing: { retries: 0, cooldown_ms: 0 }
logging: { format: json }
`
}

export async function startWorkers(
  t: Cleanup,
  settings: Settings = {},
  chosen: Chosen = {},
): Promise<Working> {
  const upstream = await startUpstream(t)
  const yaml = workersYaml(upstream.url, settings)
  return { gateway: await startGateway(t, yaml, { SCRIPTED_KEY: workersKey }, chosen), upstream }
}

export interface Got {
  readonly status: number
  readonly body: string
}

/** One request on a connection of its own; which worker gets that, the kernel decides. */
export function ask({ url }: Pick<TestGateway, 'url'>, path: string, body?: object): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const request = httpRequest(url + path, { method: body ? 'POST' : 'GET', agent: false, headers })
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode!, body: text }))
    })
    request.end(body && JSON.stringify(body))
  })
}

export function callModel(
  gateway: Pick<TestGateway, 'url'>,
  model = 'plain',
  more: object = {},
): Promise<Got> {
  return ask(gateway, '/v1/chat/completions', { model, messages: [], ...more })
}

/** As many at once. */
export function atOnce<Result>(count: number, run: () => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, run))
}

export function countOf(answers: readonly Got[], status: number): number {
  return answers.filter((answer) => answer.status === status).length
}

/** How a model stands, as any worker tells. */
export async function standing(
  gateway: Pick<TestGateway, 'url'>,
): Promise<{ used: { requests: number; tokens: number; parallel: number }; waiting: number }> {
  const { body } = await ask(gateway, '/v1/limits')
  const { data } = JSON.parse(body)
  return data.find(({ model }: { model: string }) => model === 'plain')
}
