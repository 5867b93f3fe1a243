// Reads what the status page of a test's gateway shows.
import assert from 'node:assert/strict'

import type { StatusReport } from '../../../src/status/status-report.ts'
import type { TestGateway } from '../../support/app.ts'
import { until } from '../../support/deadline.ts'
import {
  connectRaw,
  exchange,
  type RawClient,
  rawRequest,
  type RawResponse,
} from '../../support/raw-client.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'

type Headers = Readonly<Record<string, string | undefined>>

export function ask(
  t: Cleanup,
  { url }: Pick<TestGateway, 'url'>,
  path: string,
  headers: Headers = {},
): Promise<RawResponse> {
  return exchange(t, url, rawRequest(`GET ${path}`, headers))
}

export async function readReport(
  t: Cleanup,
  gateway: Pick<TestGateway, 'url'>,
  query = '',
  headers: Headers = {},
): Promise<StatusReport> {
  const response = await ask(t, gateway, `/status/data${query}`, headers)
  assert.equal(response.status, 200, response.body().toString())
  return JSON.parse(response.body().toString()) as StatusReport
}

interface FeedEvent {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

/** An open page. */
export interface OpenFeed {
  readonly client: RawClient
  readonly head: RawResponse
  /** So far. */
  readonly events: () => readonly FeedEvent[]
  /** The report with all changes so far. */
  readonly report: () => StatusReport
  /** The first event that meets the condition, come or coming. */
  readonly seen: (isMet: (event: FeedEvent) => boolean) => Promise<FeedEvent>
}

export async function openFeed(t: Cleanup, { url }: Pick<TestGateway, 'url'>, query = ''): Promise<OpenFeed> {
  const client = await connectRaw(t, url)
  client.send(rawRequest(`GET /status/events${query}`))
  const head = await client.head()
  const events = () =>
    head
      .body()
      .toString()
      .split('\n\n')
      .slice(0, -1)
      .flatMap((block) => {
        const [, event] = /^event: (\w+)$/m.exec(block) ?? []
        const [, data] = /^data: (.*)$/m.exec(block) ?? []
        return event === undefined || data === undefined ? [] : [{ event, data: JSON.parse(data) }]
      })
  return {
    client,
    head,
    events,
    report: () => Object.assign({}, ...events().map(({ data }) => data)) as StatusReport,
    async seen(isMet) {
      await until(() => events().some(isMet), 'an event of the status page')
      return events().find(isMet)!
    },
  }
}
