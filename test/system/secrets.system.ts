// Stored secrets of a real service: the identity is a credential of it, and what changes takes a reload.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startMachine } from '../support/machine.ts'
import { echoConfig, journal, noUserManager, startInstalled } from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const config = echoConfig.replace('/v1 }', '/v1, api_key: { secret: slow } }')
const [key, nextKey] = ['sk-never-to-be-seen', 'sk-nor-this-one']
const mainPid = 'systemctl --user show -P MainPID llm-gateway'

test('a stored secret takes one restart for the identity, then reloads', { skip }, async (t) => {
  const manager = await startInstalled(t, config)
  const said = await manager.ok(`${gateway} secret set slow`, { input: `${key}\n` })
  assert.match(said, /credentials\/gateway_identity/)
  await manager.ok(`${gateway} systemd restart`)
  assert.match(await manager.ok(`${gateway} secret list`), /^slow {2}0 minutes old, ok, for slow$/)
  const before = await manager.ok(mainPid)

  await manager.ok(`${gateway} secret set slow`, { input: nextKey })
  await manager.ok('systemctl --user reload llm-gateway')
  assert.equal(await manager.ok(mainPid), before)

  const rotated = await manager.ok(`${gateway} secret rotate-identity`)
  assert.match(rotated, /The service has restarted/)
  assert.notEqual(await manager.ok(mainPid), before)
  await manager.ok('systemctl --user reload llm-gateway')
  await manager.ok(`${gateway} systemd restart`)
  await manager.ok(`${gateway} secret verify`)

  const identities = await manager.ok("grep -h '^AGE-SECRET' .config/llm-gateway/credentials/*")
  const everywhere = [
    await manager.ok('systemctl --user status llm-gateway'),
    await manager.ok('cat .config/llm-gateway/secrets/* .config/systemd/user/llm-gateway.service.d/*'),
    JSON.stringify(await journal(manager)),
    said,
    rotated,
  ].join('\n')
  for (const hidden of [key, nextKey, identities]) assert.ok(!everywhere.includes(hidden))
})

test(
  'without the identity the service does not start, and its status names what it wants',
  { skip },
  async (t) => {
    const manager = await startInstalled(t, config)
    await manager.ok(`${gateway} secret set slow`, { input: key })
    await manager.ok(`${gateway} credential remove gateway_identity`)
    assert.notEqual((await manager.sh('systemctl --user start llm-gateway')).status, 0)
    const { stdout } = await manager.sh('systemctl --user status llm-gateway')
    const recipients = await manager.ok("grep '^age1' .config/llm-gateway/secrets/recipients.txt")
    for (const recipient of recipients.split('\n')) assert.ok(stdout.includes(recipient), stdout)
  },
)

test("the system's service reads what root has stored, with a user of its own", { skip }, async (t) => {
  const machine = await startMachine(t)
  const root = { isRoot: true, env: { HOME: '/root' } }
  const file = '/etc/llm-gateway/llm-gateway.yaml'
  await machine.ok(`install -D -m 644 llm-gateway/config/llm-gateway.yaml ${file}`, root)
  await machine.ok(`${gateway} systemd install --system`, root)
  const entry = '  cloud: { base_url: "https://api.openai.com/v1", api_key: { secret: cloud } }'
  await machine.ok(`sed -i '/^providers:/a\\${entry}' ${file}`, root)
  await machine.ok(`${gateway} secret set cloud --system`, { ...root, input: key })
  await machine.ok(`${gateway} systemd restart --system`, root)
  await machine.ok(`${gateway} secret set cloud --system`, { ...root, input: nextKey })
  await machine.ok('systemctl reload llm-gateway', root)
  await machine.ok(`${gateway} secret rotate-identity --system`, root)
  await machine.ok('systemctl reload llm-gateway', root)
  assert.match(await machine.ok(`${gateway} secret verify --system`, root), /^Opened 1 secret with the cred/m)
  const modes = await machine.ok('stat -c %U:%a /etc/llm-gateway/secrets /etc/llm-gateway/secrets/*', root)
  assert.equal(modes, 'root:755\nroot:644\nroot:644')
  // Nobody but root comes to the identity.
  const asUser = await machine.sh('cat /etc/llm-gateway/credentials/*')
  assert.notEqual(asUser.status, 0)
})
