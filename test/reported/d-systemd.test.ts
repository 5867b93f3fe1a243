import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import {
  configFile,
  echoConfig,
  noUserManager,
  startInstalled,
  streamCommand,
  type UserManager,
  writeConfig,
} from '../support/user-manager.ts'

const gateway = 'llm-gateway/bin/llm-gateway'
const show = (manager: UserManager, property: string, unit = 'llm-gateway.service') =>
  manager.ok(`systemctl --user show -P ${property} ${unit}`)

suite('the service', { skip: noUserManager() }, () => {
  test('a reload that needs a credential which is not loaded fails, and the status has the reason', async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    const keyed = echoConfig.replace('/v1 }', '/v1, api_key: { credential: slow_api_key } }')
    await writeConfig(manager, keyed)
    const { status, stderr } = await manager.sh('systemctl --user reload llm-gateway')
    assert.equal(status, 1, stderr)
    assert.match(await show(manager, 'StatusText'), /reload refused: .*llm-gateway\.yaml.*slow_api_key/)
    assert.match(await manager.ok(streamCommand()), /DONE/)

    await writeConfig(manager, echoConfig)
    await manager.ok('systemctl --user reload llm-gateway')
    assert.doesNotMatch(await show(manager, 'StatusText'), /refused/)
  })

  test('a restart with a typo in the file fails once, and the socket stays open and answers', async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    const before = await show(manager, 'MainPID')
    await manager.ok(`echo 'servers: {}' >>${configFile}`)
    const checked = await manager.sh(`${gateway} systemd restart`)
    assert.equal(checked.status, 1)
    assert.match(checked.stderr, /:\d+:1 servers: [^]*was not restarted/)
    assert.equal(await show(manager, 'MainPID'), before)
    assert.notEqual((await manager.sh('systemctl --user restart llm-gateway')).status, 0)
    assert.equal(await show(manager, 'NRestarts'), '0')
    assert.equal(await show(manager, 'ExecMainStatus'), '78')
    assert.match(await show(manager, 'StatusText'), /not started: .*llm-gateway\.yaml:\d+:1 .*servers/)

    // More clients than the manager would start the service for, and one that only connects.
    const status = `curl -s -o /dev/null -w '%{http_code} ' --max-time 15 http://127.0.0.1:4000/v1/models`
    const answers = await manager.ok(
      `exec 3<>/dev/tcp/127.0.0.1/4000; for i in $(seq 40); do ${status}; done`,
    )
    assert.deepEqual(new Set(answers.split(' ')), new Set(['503']))
    assert.equal(await show(manager, 'ActiveState', 'llm-gateway.socket'), 'active')

    await writeConfig(manager, echoConfig)
    await manager.ok(`${gateway} systemd restart`)
    assert.match(await manager.ok(streamCommand()), /DONE/)
  })
})
