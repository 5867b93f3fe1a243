import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { rootPathOf, rootUrlFault } from '../../src/config/base-url.ts'
import { requestTarget } from '../../src/upstream/request-target.ts'

suite('the root of a server', () => {
  const base = 'https://box.example/olla/openai/v1'

  test('is a path on the same host', () => {
    assert.equal(rootUrlFault('https://box.example/olla/', base), undefined)
    assert.equal(rootPathOf('https://box.example/olla/'), '/olla')
  })

  for (const url of [
    'https://other.example/',
    'http://box.example/',
    'https://box.example:444/',
    'https://u:p@box.example/',
    'https://box.example/?key=x',
    'https://box.example/#x',
    'box.example',
    '/olla',
  ]) {
    test(`is not ${url}: the key goes nowhere else`, () => {
      assert.match(rootUrlFault(url, base)!.message, /not the root/)
    })
  }

  test('is where routes outside of the API are', () => {
    const provider = { origin: 'https://box.example', basePath: '/olla/openai/v1' }
    assert.equal(requestTarget({ ...provider, rootPath: '/olla' }, '//props'), '/olla/props')
    assert.equal(requestTarget(provider, '//props'), '/olla/openai/props')
    assert.equal(requestTarget({ ...provider, rootPath: '/olla' }, '/models'), '/olla/openai/v1/models')
  })
})
