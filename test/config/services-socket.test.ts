import assert from 'node:assert/strict'
import { test } from 'node:test'

import { servicesSocketPath } from '../../src/config/find.ts'

const user = { XDG_RUNTIME_DIR: '/run/user/7' }

for (const [env, manager, path] of [
  [user, 'user', '/run/user/7/llm-gateway/services.sock'],
  [user, 'system', '/run/llm-gateway-services.sock'],
  [{}, 'user', undefined],
  [{ XDG_RUNTIME_DIR: 'relative' }, 'user', undefined],
  [{ ...user, LLM_GATEWAY_SERVICES_SOCKET: '/tmp/s.sock' }, 'user', '/tmp/s.sock'],
  [{ LLM_GATEWAY_SERVICES_SOCKET: '/tmp/s.sock' }, 'system', '/tmp/s.sock'],
  [{ ...user, LLM_GATEWAY_SERVICES_SOCKET: '' }, 'user', '/run/user/7/llm-gateway/services.sock'],
  [{ ...user, LLM_GATEWAY_SERVICES_SOCKET: 's.sock' }, 'user', undefined],
] as const) {
  test(`the socket of what starts model servers, for the ${manager}'s manager and ${JSON.stringify(env)}`, () => {
    assert.equal(servicesSocketPath(env, manager), path)
  })
}
