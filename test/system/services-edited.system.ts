// Model servers whose configuration or units change under a gateway that runs.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { until } from '../support/deadline.ts'
import { callCommand, serverCommand, startServices, stateOf } from '../support/installed-services.ts'
import { configFile, noUserManager, type UserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const config = { services: { groups: { gpu0: { members: ['one', 'two'], running: 1, min_run_ms: 100 } } } }

/** Another unit for the provider `one`, at another port, in the file alone. */
async function rename(manager: UserManager): Promise<void> {
  const lines = `[Service]\nExecStart=${serverCommand(9250, 'one', {})}\n`
  await manager.ok('cat >.config/systemd/user/other.service; systemctl --user daemon-reload', {
    input: lines,
  })
  await manager.ok(`sed -i 's/"one.service"/"other.service"/; s/:9200/:9250/' ${configFile}`)
}

suite('a configuration that changes', { skip }, () => {
  test('before its reload, a server stops as the configuration in force has it', async (t) => {
    const manager = await startServices(t, { servers: { one: {}, two: {} }, config })
    await manager.ok(callCommand('one'))
    await rename(manager)
    const { stdout, stderr, status } = await manager.sh(`timeout 20 ${gateway} services stop one`)
    assert.equal(status, 0, stdout + stderr)
    assert.equal(await stateOf(manager, 'one'), 'inactive')
    assert.match(await manager.ok(callCommand('two')), /data: \[DONE\]$/)
  })

  test('before its reload, a server starts as in force, and is refused once what starts it has only the new file', async (t) => {
    const manager = await startServices(t, { servers: { one: {}, two: {} }, config })
    await manager.ok(callCommand('one'))
    await manager.ok(`${gateway} services stop one`)
    await manager.ok(`sed -i 's/"one.service"/"missing.service"/' ${configFile}`)
    assert.match(await manager.ok(`${gateway} services start one`), /^one is ready/)
    await manager.ok(`${gateway} services stop one`)
    await manager.ok('systemctl --user restart llm-gateway-services')
    await until(
      async () => (await manager.sh(`${gateway} services start one`)).stderr.includes('reload the gateway'),
      'the refusal',
    )
  })

  test('after a reload that names another unit, the old one does not keep the place of the group', async (t) => {
    const manager = await startServices(t, { servers: { one: {}, two: {} }, config })
    await manager.ok(callCommand('one'))
    await rename(manager)
    await manager.ok('systemctl --user reload llm-gateway')
    assert.match(await manager.ok(callCommand('two')), /data: \[DONE\]$/)
    assert.notDeepEqual(
      [await stateOf(manager, 'one'), await stateOf(manager, 'two')],
      ['active', 'active'],
      'two servers on one GPU',
    )
  })

  test('after a reload that changes its port, a server is not ready before it has answered there', async (t) => {
    const manager = await startServices(t, { servers: { one: { service: { start_timeout_ms: 2_000 } } } })
    await manager.ok(callCommand('one'))
    await manager.ok(`sed -i 's/:9200/:9299/' ${configFile}`)
    await manager.ok('systemctl --user reload llm-gateway')
    await until(
      async () => !/^state +ready/m.test(await manager.ok(`${gateway} services one`)),
      'the end of the state',
    )
  })

  test('doctor reports the start that timed out at a wrong port', async (t) => {
    const manager = await startServices(t, { servers: { one: { service: { start_timeout_ms: 1_000 } } } })
    await manager.ok(`sed -i 's/:9200/:9299/' ${configFile}`)
    await manager.ok('systemctl --user start llm-gateway')
    await manager.sh(`${gateway} services start one`)
    const { status, stdout } = await manager.sh(`${gateway} doctor --provider one`)
    assert.equal(status, 1, stdout)
  })

  test('a member that cannot start does not take the place of one that runs', async (t) => {
    const manager = await startServices(t, { servers: { one: {}, two: {} }, config })
    await manager.ok(callCommand('one'))
    // A second after its last call, the running one would go for another.
    await manager.ok('mv .config/systemd/user/two.service . && systemctl --user mask two.service; sleep 1.5')
    await manager.ok(callCommand('two', { isStream: false }))
    assert.equal(await stateOf(manager, 'one'), 'active')
  })

  test('a server of start: boot runs after a boot, without a call', async (t) => {
    const manager = await startServices(t, { servers: { one: { service: { start: 'boot' } } } })
    const wants = await manager.ok('systemctl --user list-dependencies default.target --plain --all | cat')
    assert.match(wants, /llm-gateway\.service/)
    await manager.ok(`sed -i 's/"boot"/"call"/' ${configFile}; ${gateway} systemd install`)
    assert.equal((await manager.sh('systemctl --user is-enabled llm-gateway.service')).stdout, 'disabled\n')
    await manager.ok(`sed -i 's/"call"/"boot"/' ${configFile}; ${gateway} systemd install`)
    await manager.ok(callCommand('one'))
    assert.match(await manager.ok(`${gateway} systemd uninstall`), /systemctl --user stop one\.service$/m)
    assert.equal(await manager.ok("find .config/systemd -name 'llm-gateway*'"), '')
  })
})
