// Codex reads the rows that the gateway writes for it: it takes all of a list or nothing.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { quietEnv } from './agents.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'

const { program, version, skip } = npmClient('codex', '@openai/codex', 'codex')

test('Codex works with the rows of the list of models', { skip }, async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const response = await exchange(t, gateway.url, rawRequest(`GET /v1/models?client_version=${version}`))
  const home = emptyFolder(t)
  writeFiles(home, {
    'models.json': response.body().toString(),
    '.codex/config.toml': `model = "plain"
model_provider = "gateway"
model_catalog_json = "${join(home, 'models.json')}"
[model_providers.gateway]
name = "gateway"
base_url = "${gateway.url}/v1"
wire_api = "responses"
env_key = "GATEWAY_KEY"
`,
  })
  upstream.respondAlways(json(400, { error: { message: 'enough' } }))

  const settings = { folder: home, env: { HOME: home, GATEWAY_KEY: 'none', ...quietEnv } }
  const { stdout, stderr } = await start(t, program!, ['exec', '--skip-git-repo-check', 'hello'], settings)
    .ended

  assert.ok(stderr.includes('enough') || stdout.includes('enough'), stdout + stderr)
  assert.doesNotMatch(stdout + stderr, /Model metadata|failed to parse/)
  const [request] = upstream.requests
  assert.match(
    request!.body.toString(),
    /You are a coding agent that works in the user's terminal through Codex/,
  )
})
