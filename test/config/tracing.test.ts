// What tracing may be in the file, and what the program makes of it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { loadText, problemsOf } from '../support/config-file.ts'

const rest = 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n'

const faults: readonly (readonly [tracing: string, path: string, message: RegExp])[] = [
  ['endpoint: collector:4318', 'tracing.endpoint', /is not a URL/],
  ['endpoint: "file:///spans"', 'tracing.endpoint', /is not a URL/],
  ['endpoint: "http://collector.example:4318"', 'tracing.endpoint', /would send spans unencrypted/],
  ['endpoint: "http://127.evil.example:4318"', 'tracing.endpoint', /would send spans unencrypted/],
  ['endpoint: "http://192.168.0.9:4318"', 'tracing.endpoint', /would send spans unencrypted/],
  ['endpoint: "https://pk:sk@cloud.example"', 'tracing.endpoint', /user name, password/],
  ['endpoint: "https://cloud.example/?key=1"', 'tracing.endpoint', /query/],
  ['endpoint: "https://cloud.example/#a"', 'tracing.endpoint', /fragment/],
  ['headers: { Authorization: Basic abc }', 'tracing.headers.Authorization', /carries a key/],
  ['headers: { content-type: a }', 'tracing.headers.content-type', /set by the gateway/],
  ['headers: { x-a: "1", X-A: "2" }', 'tracing.headers.X-A', /occurs twice/],
  ['headers: { authorization: { env: NO_SUCH_KEY } }', 'tracing.headers.authorization', /secret not found/],
  ['sample_ratio: 2', 'tracing.sample_ratio', /must be from 0 to 1/],
  ['protocol: grpc', 'tracing.protocol', /http\/protobuf/],
  ['conventions: newest', 'tracing.conventions', /latest/],
  ['content: all', 'tracing.content', /does not export prompts and responses/],
  ['content: errors', 'tracing.content', /does not export prompts and responses/],
  ['view_url: "https://view.example/"', 'tracing.view_url', /\{trace_id\}/],
  ['session_headers: ["a b"]', 'tracing.session_headers[0]', /HTTP header name/],
  ['session_headers: [x-session-id, X-Api-Key]', 'tracing.session_headers[1]', /carries a key/],
  ['session_headers: [x-auth-token]', 'tracing.session_headers[0]', /carries a key/],
  ['service_name: ""', 'tracing.service_name', /must not be empty/],
]

suite('a fault of tracing', () => {
  for (const [tracing, path, message] of faults) {
    test(`${tracing} is reported at ${path}`, (t) => {
      const loaded = loadText(t, `${rest}tracing: { ${tracing} }\n`)
      assert.ok(!loaded.ok)
      assert.deepEqual(
        loaded.problems.map((problem) => problem.path),
        [path],
      )
      assert.match(loaded.problems[0]!.message, message)
    })
  }
})

test('no message shows an endpoint, which may hold a key', (t) => {
  const text = `${rest}tracing: { endpoint: "https://cloud.example/?token=hunter2" }\n`
  assert.ok(!JSON.stringify(problemsOf(t, text)).includes('hunter2'))
})

const endpoints: readonly (readonly [written: string, used: string])[] = [
  ['http://127.0.0.1:4318', 'http://127.0.0.1:4318/v1/traces'],
  ['http://localhost:4318/', 'http://localhost:4318/v1/traces'],
  ['http://[::1]:6006/v1/traces', 'http://[::1]:6006/v1/traces'],
  ['https://cloud.example/api/public/otel', 'https://cloud.example/api/public/otel/v1/traces'],
]
for (const [written, used] of endpoints) {
  test(`spans for ${written} go to ${used}`, (t) => {
    const loaded = loadText(t, `${rest}tracing: { endpoint: "${written}" }\n`)
    assert.equal(loaded.ok && loaded.config.tracing.endpoint, used)
  })
}
