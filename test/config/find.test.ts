import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'

import { controlSocketPaths, findConfigFile, findKeyFile } from '../../src/config/find.ts'

const env = { LLM_GATEWAY_CONFIG: '/env.yaml', XDG_CONFIG_HOME: '/xdg', HOME: '/home/ann' }
const own = '/xdg/llm-gateway/llm-gateway.yaml'
const system = '/etc/llm-gateway/llm-gateway.yaml'

describe('the configuration file is', () => {
  test('the one that was asked for, even if it is not there', () => {
    assert.equal(
      findConfigFile('/asked.yaml', env, () => false),
      '/asked.yaml',
    )
  })

  test('else the one of the environment', () => {
    assert.equal(
      findConfigFile(undefined, env, () => true),
      '/env.yaml',
    )
    assert.equal(
      findConfigFile(undefined, { LLM_ROUTER_CONFIG: '/old.yaml' }, () => true),
      '/old.yaml',
    )
  })

  test("else the user's", () => {
    assert.equal(
      findConfigFile(undefined, { ...env, LLM_GATEWAY_CONFIG: '' }, () => true),
      own,
    )
  })

  test('in ~/.config when XDG_CONFIG_HOME is absent or relative', () => {
    const expected = '/home/ann/.config/llm-gateway/llm-gateway.yaml'
    assert.equal(
      findConfigFile(undefined, { HOME: '/home/ann' }, () => true),
      expected,
    )
    assert.equal(
      findConfigFile(undefined, { HOME: '/home/ann', XDG_CONFIG_HOME: 'x' }, () => true),
      expected,
    )
  })

  test("else the system's", () => {
    assert.equal(
      findConfigFile(undefined, { HOME: '/home/ann' }, (path) => path === system),
      system,
    )
  })

  test('else the one that comes with the program', () => {
    const path = findConfigFile(undefined, { HOME: '/home/ann' }, () => false)
    assert.match(path, /\/config\/llm-gateway\.yaml$/)
    assert.ok(existsSync(path))
  })
})

test('the keys of clients are beside the configuration, or where it says', () => {
  assert.equal(findKeyFile('/etc/llm-gateway/llm-gateway.yaml', undefined), '/etc/llm-gateway/keys.json')
  assert.equal(
    findKeyFile('/etc/llm-gateway/llm-gateway.yaml', 'team/k.json'),
    '/etc/llm-gateway/team/k.json',
  )
  assert.equal(findKeyFile('/etc/llm-gateway/llm-gateway.yaml', '/var/keys.json'), '/var/keys.json')
})

test('a control socket is never looked for below the working directory', () => {
  for (const runtime of ['', 'run', './']) {
    const paths = controlSocketPaths({ HOME: '/home/ann', XDG_RUNTIME_DIR: runtime }, 1000)
    assert.deepEqual(paths, [
      '/home/ann/.local/state/llm-gateway/control.sock',
      '/run/llm-gateway/control.sock',
    ])
  }
})
