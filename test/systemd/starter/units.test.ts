import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { servicesSocketPath } from '../../../src/config/find.ts'
import { polkitRule } from '../../../src/systemd/starter/polkit-rule.ts'

const systemd = join(import.meta.dirname, '../../../systemd')
const read = (path: string) => readFileSync(join(systemd, path), 'utf8')

test("the gateway connects to where the starter's units listen", () => {
  const user = '%t/llm-gateway/services.sock'
  const system = '/run/llm-gateway-services.sock'
  for (const [scope, path] of [['user', user] as const, ['system', system] as const]) {
    assert.match(read(`${scope}/llm-gateway-services.socket`), new RegExp(`^ListenStream=${path}$`, 'm'))
    assert.match(
      read(`${scope}/llm-gateway.service`),
      new RegExp(`^Environment=LLM_GATEWAY_SERVICES_SOCKET=${path}$`, 'm'),
    )
  }
  assert.equal(
    servicesSocketPath({ XDG_RUNTIME_DIR: '/run/user/7' }, 'user'),
    user.replace('%t', '/run/user/7'),
  )
  assert.equal(servicesSocketPath({}, 'system'), system)
  assert.equal(servicesSocketPath({ LLM_GATEWAY_SERVICES_SOCKET: '/x/y' }, 'system'), '/x/y')
})

test("the example of polkit's rule is the one that the command prints", () => {
  const units = ['llama-server@qwen.service', 'llama-server@gemma.service', 'llama-server@qwen.service']
  assert.equal(read('examples/50-llm-gateway-services.rules'), polkitRule(units))
})

test("a unit's name cannot end the list of polkit's rule", () => {
  const name = 'a"]; return polkit.Result.YES; ["\u2028.service'
  const list = /var units = \[\n([^]*?)\n {2}\];/.exec(polkitRule([name]))?.[1]
  assert.equal(list, `    ${JSON.stringify(name)},`)
})
