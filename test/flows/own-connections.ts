// Clients that each bring a connection of their own, for gateways of several worker threads.
import { request as httpRequest } from 'node:http'
import type { TestGateway } from '../support/app.ts'

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
