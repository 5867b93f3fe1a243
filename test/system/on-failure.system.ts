// What systemd does when the gateway has failed: the example units send a message about it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { echoConfig, noUserManager, startInstalled, writeConfig } from '../support/user-manager.ts'

const example = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../systemd/examples', name), 'utf8')

/** Writes what is posted to it into a file. */
const receiver = `
const { createServer } = require('node:http')
const { appendFileSync } = require('node:fs')
createServer((request, response) => {
  request.on('data', (chunk) => appendFileSync('received', chunk))
  request.on('end', () => response.end('ok'))
}).listen(4999, '127.0.0.1')
`

const sink = 'notify: { sinks: { team: { kind: webhook, url: { file: ~/hook } } } }\n'

test('a gateway whose configuration is broken is reported', { skip: noUserManager() }, async (t) => {
  const manager = await startInstalled(t, `${echoConfig}${sink}`)
  await manager.ok('umask 077; cat >hook', { input: 'http://127.0.0.1:4999/hook' })
  await manager.ok('cat >receiver.cjs', { input: receiver })
  const units = '.config/systemd/user'
  const launcher = '/usr/bin/env %h/llm-gateway/bin/llm-gateway'
  const unit = example('llm-gateway-failed@.service').replace('/usr/bin/env llm-gateway', launcher)
  await manager.ok(`cat >${units}/llm-gateway-failed@.service`, { input: unit })
  await manager.ok(`mkdir -p ${units}/llm-gateway.service.d; cat >${units}/llm-gateway.service.d/40.conf`, {
    input: example('40-on-failure.conf'),
  })
  await manager.ok('systemctl --user daemon-reload')
  const node = await manager.ok(
    'systemctl --user show -P ExecStart llm-gateway | sed "s/.*path=\\([^ ;]*\\).*/\\1/"',
  )
  await manager.ok(`systemd-run --user --unit receiver --working-directory=$HOME ${node} $HOME/receiver.cjs`)
  await manager.ok('systemctl --user start llm-gateway.socket')
  await writeConfig(manager, `${echoConfig}modles: {}\n${sink}`)
  await manager.sh('systemctl --user start llm-gateway')
  const received = await manager.ok(
    'for i in $(seq 300); do [ -s received ] && break; sleep 0.1; done; cat received',
  )
  const { notices } = JSON.parse(received) as { notices: readonly Record<string, string>[] }
  assert.equal(notices[0]?.['what'], 'The unit llm-gateway.service has failed.')
  assert.match(notices[0]?.['why'] ?? '', /^Its result is exit-code \(exited \d+\)\./)
})
