// With the units of a package there, `init` enables them, and writes none that would win over them.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { installService } from '../../../src/cli/init/install-service.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { type ServicePaths, servicePaths } from '../../../src/systemd/scope.ts'
import { recordedIo } from '../../support/command-io.ts'
import { scratchDirectory } from '../../support/config-file.ts'

function scene(t: TestContext) {
  const home = scratchDirectory(t)
  const unitDirectory = join(home, 'etc')
  const packagedUnitDirectory = join(home, 'usr')
  const paths: ServicePaths = {
    ...servicePaths('user', { HOME: home }),
    scope: 'system',
    unitDirectory,
    packagedUnitDirectory,
  }
  mkdirSync(packagedUnitDirectory)
  writeFileSync(join(packagedUnitDirectory, 'llm-gateway.socket'), '')
  mkdirSync(dirname(paths.configFile), { recursive: true })
  return { paths, file: paths.configFile, unitDirectory, io: recordedIo({ HOME: home }) }
}

suite('init with the units of a package', () => {
  test('enables its socket', async (t) => {
    const { paths, file, unitDirectory, io } = scene(t)
    const asked: string[] = []
    const run: RunProgram = (program, words) => {
      asked.push([program, ...words].join(' '))
      return { status: 0, stdout: '', stderr: '' }
    }
    assert.equal(await installService(io, paths, { file, port: 4000 }, run), 0)
    assert.deepEqual(asked, ['systemctl daemon-reload', 'systemctl enable --now llm-gateway.socket'])
    assert.ok(!existsSync(unitDirectory))
  })

  test('reports why it could not be enabled', async (t) => {
    const { paths, file, io } = scene(t)
    const run: RunProgram = () => ({ status: 1, stdout: '', stderr: 'Access denied\n' })
    assert.equal(await installService(io, paths, { file, port: 4000 }, run), 1)
    assert.match(io.written.stderr, /llm-gateway\.socket was not enabled: Access denied/)
  })
})
