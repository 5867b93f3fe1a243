import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findProgram, missing, unless } from './needs.ts'

function withRequired(t: { after(release: () => void): void }, value: string | undefined): void {
  const before = process.env['REQUIRE_SYSTEM_TESTS']
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env['REQUIRE_SYSTEM_TESTS']
    else process.env['REQUIRE_SYSTEM_TESTS'] = to
  }
  set(value)
  t.after(() => set(before))
}

test('what is there is not missing', (t) => {
  withRequired(t, '1')
  assert.equal(missing('sh', 'env'), false)
  assert.equal(unless(true, 'needs root'), false)
})

test('what is absent is named', (t) => {
  withRequired(t, undefined)
  assert.equal(missing('sh', 'no-such-program'), 'no-such-program not installed')
  assert.equal(unless(false, 'needs root'), 'needs root')
})

test('where every test is required, an absence is an error', (t) => {
  withRequired(t, '1')
  assert.throws(() => missing('no-such-program'), /no-such-program not installed/)
  assert.throws(() => unless(false, 'needs root'), /needs root/)
})

test('an empty PATH still has the sbin folders and nothing of the current one', () => {
  assert.equal(findProgram('package.json', { PATH: ':' }), undefined)
})
