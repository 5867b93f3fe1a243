// Local servers as they report of themselves, on their own routes below the root and in their answers to calls.
import type { TestContext } from 'node:test'

import { whole } from '../support/chat-content.ts'
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json, type Script, wait } from '../support/upstream-script.ts'

/** llama-server's `GET /props`, as far as it is read, and a path that nobody is to see. */
export function propsOf(more: Readonly<Record<string, unknown>> = {}): object {
  return {
    default_generation_settings: { n_ctx: 2048, params: { temperature: 0.8 } },
    total_slots: 2,
    model_path: '/srv/models/gemma.gguf',
    modalities: { vision: false, video: false, audio: false },
    chat_template: '{{ messages }}',
    build_info: 'b6900-8a32a9c1',
    is_sleeping: false,
    ...more,
  }
}

/** `GET /slots` with so many slots at work. */
export function slotsOf(busy: number, all = 2): object[] {
  return Array.from({ length: all }, (_, id) => ({ id, n_ctx: 2048, is_processing: id < busy }))
}

export interface ReportingServer extends ScriptedUpstream {
  /** What `path` answers to a GET from now on; a function sees the request. */
  answers(path: string, answer: object | ((request: ReceivedRequest) => Script)): void
  /** Requests of this path so far. */
  asked(path: string): readonly ReceivedRequest[]
  /** Calls so far, which are answered once `letGo` has been called. */
  calls(): number
  letGo(): void
}

export async function startReportingServer(
  t: TestContext,
  answers: Readonly<Record<string, object>> = { '/props': propsOf() },
): Promise<ReportingServer> {
  const upstream = await startUpstream(t)
  const known = new Map<string, object | ((request: ReceivedRequest) => Script)>(Object.entries(answers))
  const gate = Promise.withResolvers<void>()
  upstream.respondAlways((request) => {
    if (request.method === 'POST') return [wait(gate.promise), ...(whole() as Iterable<never>)]
    const answer = known.get(request.target)
    if (answer === undefined) return json(404, { error: { message: 'File Not Found', code: 404 } })
    return typeof answer === 'function' ? answer(request) : json(200, answer)
  })
  return Object.assign(upstream, {
    answers: (path: string, answer: object | ((request: ReceivedRequest) => Script)) =>
      void known.set(path, answer),
    asked: (path: string) => upstream.requests.filter(({ target }) => target === path),
    calls: () => upstream.requests.filter(({ method }) => method === 'POST').length,
    letGo: () => gate.resolve(),
  })
}
