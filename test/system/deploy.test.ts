// Real sshd and ssh, a second user, and the real user manager on the box.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startBox } from '../support/box.ts'
import { missing } from '../support/needs.ts'
import { configFile, noUserManager, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager() || missing('sshd', 'ssh', 'ssh-keygen', 'npm', 'curl')

const config = `
providers:
  echo: { kind: echo }
  cloud: { base_url: "https://api.openai.com/v1", api_key: { credential: cloud_key, env: CLOUD_KEY } }
models:
  echo: { provider: echo }
  far: { provider: cloud }
`

test('a fresh box gets program, configuration and keys, and serves', { skip }, async (t) => {
  const { manager, you, yours } = await startBox(t)
  await yours('umask 077; cat >gateway.yaml', config)
  const deploy = await you('CLOUD_KEY=sk-of-the-test llm-gateway deploy box --config gateway.yaml --yes')
  assert.equal(await manager.ok(`cat ${configFile}`), config.trim())
  assert.match(await manager.ok(streamCommand()), /DONE/)
  const second = await you('llm-gateway deploy box --config gateway.yaml --yes')
})
