import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  configFile,
  echoConfig,
  journal,
  noUserManager,
  startInstalled,
  streamCommand,
  writeConfig,
} from '../support/user-manager.ts'
import type { UserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const mainPid = (manager: UserManager) => manager.ok('systemctl --user show -P MainPID llm-gateway')

/** Reloading is over when the manager has been told so; systemctl waits only for the commands of ExecReload. */
async function settled(manager: UserManager, event: string): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const found = (await journal(manager)).find(({ message }) => message.includes(`"event":"${event}"`))
    if (found !== undefined) return found.message
  }
  throw new Error(`no event ${event} in the journal`)
}

test('a good configuration is served after a reload, by the same process', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok('systemctl --user start llm-gateway')
  const before = await mainPid(manager)
  await writeConfig(manager, `${echoConfig}  parrot: { provider: echo }\n`)
  await manager.ok('systemctl --user reload llm-gateway')
  await settled(manager, 'reloaded')
  assert.match(await manager.ok(streamCommand().replace('"echo"', '"parrot"')), /"model":"parrot"/)
  assert.equal(await mainPid(manager), before)
  assert.equal(await manager.ok('systemctl --user is-active llm-gateway'), 'active')
})

test('a broken configuration fails the reload visibly, and the old one is served on', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok('systemctl --user start llm-gateway')
  const before = await mainPid(manager)
  await writeConfig(manager, `${echoConfig}nonsense: 1\n`)
  const { status, stderr } = await manager.sh('systemctl --user reload llm-gateway')
  assert.notEqual(status, 0)
  assert.match(stderr, /failed/)
  assert.match(await manager.ok(streamCommand()), /DONE/)
  assert.equal(await mainPid(manager), before)
  const problem = (await journal(manager)).find(({ message }) => message.includes('unknown key "nonsense"'))
  assert.equal(problem?.priority, '3')
})

test(
  'a broken configuration that is signalled past the check is refused by the gateway too',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    await manager.ok(`echo nonsense: 1 >>${configFile}; systemctl --user kill -s HUP llm-gateway`)
    assert.match(await settled(manager, 'reload_refused'), /unknown key/)
    assert.match(await manager.ok(streamCommand()), /DONE/)
  },
)

test('what only a restart applies is named', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok('systemctl --user start llm-gateway')
  await writeConfig(manager, `${echoConfig}logging: { level: warn }\n`)
  await manager.ok('systemctl --user reload llm-gateway')
  assert.match(await settled(manager, 'reloaded'), /"needs_restart":\["logging"\]/)
})

test('log lines have their priorities in the journal', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok(streamCommand())
  const entries = await journal(manager)
  const priorityOf = (event: string) =>
    entries.find(({ message }) => message.includes(`"event":"${event}"`))?.priority
  assert.equal(priorityOf('listening'), '6')
  assert.equal(priorityOf('provider_unreachable'), '4')
  assert.ok(entries.every(({ message }) => !message.startsWith('<')))
})
