// The first command of a new user, with the manager of a real session: what it has written and installed serves a call.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { configFile, noUserManager, startUserManager, streamCommand } from '../support/user-manager.ts'

const gateway = 'llm-gateway/bin/llm-gateway'
const cloudKey = 'sk-of-a-cloud-0123456789abcdef'

/** Lists one model as Ollama does, and answers every call for it with its own name. */
const modelServer = `
const { createServer } = require('node:http')
createServer((request, response) => {
  const isList = request.url === '/v1/models'
  const list = { object: 'list', data: [{ id: 'qwen3:8b', object: 'model', created: 1, owned_by: 'library' }] }
  const event = { id: 'c', object: 'chat.completion.chunk', model: 'qwen3:8b', choices: [{ index: 0, delta: { content: 'from qwen3' }, finish_reason: 'stop' }] }
  response.setHeader('content-type', isList ? 'application/json' : 'text/event-stream')
  response.end(isList ? JSON.stringify(list) : 'data: ' + JSON.stringify(event) + '\\n\\ndata: [DONE]\\n\\n')
}).listen(11434, '127.0.0.1')
`

test(
  'init on a fresh account: the first call starts the service, which has its key, and streams from the model that was found',
  { skip: noUserManager() },
  async (t) => {
    const manager = await startUserManager(t)
    const server = [
      'systemd-run --user --unit=model-server --quiet',
      process.execPath,
      '-e',
      '"$SERVER"',
    ].join(' ')
    await manager.ok(server, { env: { SERVER: modelServer } })
    await manager.ok(
      'for n in $(seq 100); do curl -sf http://127.0.0.1:11434/v1/models && exit; sleep 0.1; done; exit 1',
    )
    const said = await manager.ok(`${gateway} init --yes`, { env: { OPENROUTER_API_KEY: cloudKey } })
    assert.match(said, /Ollama at http:\/\/127\.0\.0\.1:11434\/v1: 1 model\n/)
    assert.doesNotMatch(said, /of-a-cloud/)
    assert.equal(await manager.ok('systemctl --user is-active llm-gateway.socket'), 'active')
    const call = streamCommand().replace('"model":"echo"', '"model":"qwen3:8b"')
    assert.match(call, /qwen3/)
    assert.match(await manager.ok(call), /"content":"from qwen3"[^]*data: \[DONE\]$/)
    assert.match(await manager.ok(`cat ${configFile}`), /credential: openrouter_api_key/)
    const again = await manager.sh(`${gateway} init --yes`)
    assert.equal(again.status, 1)
    assert.match(again.stderr, /exists, and init changes no configuration/)
  },
)
