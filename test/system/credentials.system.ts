import assert from 'node:assert/strict'
import { test } from 'node:test'

import { echoConfig, journal, noUserManager, startInstalled, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const key = 'sk-never-to-be-seen'
const config = echoConfig.replace('/v1 }', '/v1, api_key: { credential: slow_api_key } }')
const stored = '.config/llm-gateway/credentials/slow_api_key'
const passed = '$XDG_RUNTIME_DIR/credentials/llm-gateway.service/slow_api_key'

test('a stored key reaches the service, and nobody else', { skip }, async (t) => {
  const manager = await startInstalled(t, config)
  const said = await manager.ok(`${gateway} credential set slow`, { input: `${key}\n` })
  await manager.ok('systemctl --user start llm-gateway')
  assert.equal(await manager.ok(`cat ${passed}`), key)
  assert.equal(await manager.ok(`stat -c %a ${stored} ${passed}`), '600\n400')
  const everywhere = [
    said,
    await manager.ok('systemctl --user status llm-gateway'),
    await manager.ok('systemctl --user show llm-gateway'),
    await manager.ok('cat .config/systemd/user/llm-gateway.service.d/*'),
    await manager.ok("tr '\\0' ' ' </proc/$(systemctl --user show -P MainPID llm-gateway)/environ"),
    JSON.stringify(await journal(manager)),
  ]
  assert.ok(everywhere.every((text) => !text.includes(key)))
})

test(
  'the service is not started without a key that the configuration asks for, and the key is named',
  { skip },
  async (t) => {
    const manager = await startInstalled(t, config)
    assert.notEqual((await manager.sh('systemctl --user start llm-gateway')).status, 0)
    const entry = (await journal(manager)).find(({ message }) => message.includes('credential slow_api_key'))
    assert.equal(entry?.priority, '3')
  },
)

test('a key whose file is gone fails the unit with a message that names it', { skip }, async (t) => {
  const manager = await startInstalled(t, config)
  await manager.ok(`${gateway} credential set slow && rm ${stored}`, { input: key })
  assert.notEqual((await manager.sh('systemctl --user start llm-gateway')).status, 0)
  const { stdout } = await manager.sh('systemctl --user status llm-gateway')
  assert.match(stdout, /AssertPathExists=.*\/slow_api_key was not met/)
})

test('rotation restarts the service with the new key', { skip }, async (t) => {
  const manager = await startInstalled(t, config)
  await manager.ok(`${gateway} credential set slow`, { input: key })
  await manager.ok(streamCommand())
  const before = await manager.ok('systemctl --user show -P MainPID llm-gateway')
  await manager.ok(`${gateway} credential rotate slow`, { input: 'sk-new' })
  assert.equal(await manager.ok(`cat ${passed}`), 'sk-new')
  assert.notEqual(await manager.ok('systemctl --user show -P MainPID llm-gateway'), before)
})

test('the list has names and ages, never values', { skip }, async (t) => {
  const manager = await startInstalled(t, config)
  assert.match(await manager.ok(`${gateway} credential list`), /^slow_api_key +not stored, for slow/)
  await manager.ok(`${gateway} credential set slow`, { input: key })
  const list = await manager.ok(`${gateway} credential list`)
  assert.equal(list, 'slow_api_key  0 minutes old, not encrypted, for slow')
})
