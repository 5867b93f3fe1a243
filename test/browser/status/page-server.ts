// A scripted gateway as far as the status page sees one: its files, its stream, and what it asks for.
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

import { type PageFile, pageFiles } from '../../../src/status/page-files.ts'
import type { StatusReport } from '../../../src/status/status-report.ts'
import { soon } from '../../support/deadline.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'
import { serve } from '../chromium.ts'

/** Of observing the page: nothing may load, run or frame but what is its own. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

/** By path: what answers a request. */
export type Answers = Readonly<Record<string, (response: ServerResponse) => void>>

export interface PageServer {
  readonly url: string
  /** What was posted, by path. */
  readonly posted: readonly {
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }[]
  /** Resolves when these are the streams that are open. */
  readonly streamsAre: (...paths: readonly string[]) => Promise<void>
  /** Sends an event to each open stream. */
  readonly send: (event: 'report' | 'change' | 'bye', data: unknown) => void
  /** Ends the streams and answers 503 from now on. */
  readonly refuseStreams: () => void
}

/** @param answers to what else is asked for. */
export async function servePage(
  t: Cleanup,
  report: StatusReport,
  answers: Answers = {},
): Promise<PageServer> {
  const { html, js, css, icon } = pageFiles()
  const files: Readonly<Record<string, PageFile>> = {
    '/status': html,
    '/status/app.js': js,
    '/status/app.css': css,
    '/status/icon.svg': icon,
  }
  const streams = new Map<ServerResponse, string>()
  const changes = new EventEmitter()
  let isRefusing = false
  const posted: { path: string; headers: IncomingMessage['headers']; body: string }[] = []
  const url = await serve(t, (request, response) => {
    const target = request.url ?? ''
    const path = target.split('?', 1)[0]!
    const file = files[path]
    response.setHeader('content-security-policy', policy)
    if (request.method === 'POST') {
      void text(request).then((body) => {
        posted.push({ path, headers: request.headers, body })
        answers[path]?.(response)
      })
    } else if (path === '/status/events' && isRefusing) response.writeHead(503).end()
    else if (path === '/status/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(frame('report', report))
      streams.set(response, target)
      changes.emit('change')
      response.once('close', () => {
        streams.delete(response)
        changes.emit('change')
      })
    } else if (answers[path] !== undefined) answers[path](response)
    else if (path === '/status/data') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(report))
    } else if (file !== undefined) response.setHeader('content-type', file.type).end(file.bytes)
    else if (path === '/v1/models') {
      const data = ['echo', 'qwen3:8b', 'claude-sonnet-5'].map((id) => ({ id }))
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', data }))
    } else response.writeHead(404).end()
  })
  return {
    url,
    posted,
    async streamsAre(...paths) {
      while ([...streams.values()].join() !== paths.join()) {
        await soon(once(changes, 'change'), () => `the streams ${paths.join()}`)
      }
    },
    send(event, data) {
      for (const response of streams.keys()) response.write(frame(event, data))
    },
    refuseStreams() {
      isRefusing = true
      for (const response of streams.keys()) response.end()
    },
  }
}

function frame(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
