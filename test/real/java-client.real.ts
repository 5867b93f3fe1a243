// Java's own HttpClient in its default version, on which Spring AI and langchain4j build: it offers HTTP/2 with each call.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { delta, whole } from '../support/chat-content.ts'
import { findProgram, missing } from '../support/needs.ts'
import { sse } from '../support/upstream-script.ts'
import { emptyFolder, start } from './programs.ts'

test("Java's HttpClient: whole, streamed, and whole again", { skip: missing('java') }, async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(whole())
  upstream.respond(sse([delta('Hello'), delta(' Java'), '[DONE]']))
  upstream.respond(whole())
  const folder = emptyFolder(t)
  const java = findProgram('java')!
  t.diagnostic(spawnSync(java, ['-version']).stderr.toString().split('\n')[0]!)

  const script = join(import.meta.dirname, 'JavaClient.java')
  const ran = await start(t, java, [script, `${gateway.url}/v1`], { folder, env: { HOME: folder } }).ended

  assert.equal(ran.status, 0, ran.stderr)
  const lines = ran.stdout.trim().split('\n')
  assert.equal(lines.filter((line) => line === '200 HTTP_1_1').length, 3, ran.stdout)
  assert.deepEqual(lines.slice(3, 6), [`data: ${delta('Hello')}`, `data: ${delta(' Java')}`, 'data: [DONE]'])
  assert.equal(JSON.parse(lines[1]!).choices[0].message.content, 'Hi!')
  assert.equal(upstream.requests.length, 3)
  assert.deepEqual(
    gateway.log().filter(({ code }) => code !== undefined),
    [],
  )
})
