import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { missing } from '../support/needs.ts'

test('the curl line that is printed works as it stands', { skip: missing('curl') }, async (t) => {
  const { gateway } = await startGatewayProcess(t, { ...echo, logging: {} })
  const line = await gateway.says(/(curl -N [^]*?\n[^\n]*'\n)/)

  const { stdout } = await promisify(execFile)('sh', ['-c', line])

  assert.match(stdout, /"content":"hello"/)
  assert.match(stdout, /"total_tokens":\d+/)
  assert.ok(stdout.endsWith('data: [DONE]\n\n'))
})
