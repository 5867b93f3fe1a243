// The table of the API's routes, and how paths are found in it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { apiRoutes, findApiPath, whyNotPassed } from '../../../src/dialects/openai/api-routes.ts'
import { dialects } from '../../../src/dialects/table.ts'

const lines = apiRoutes.map(({ method, path }) => `${method} ${path}`)

suite('the table', () => {
  test('has each route once, sorted by path', () => {
    assert.equal(new Set(lines).size, lines.length)
    const paths = [...new Set(apiRoutes.map(({ path }) => path))]
    assert.deepEqual(paths, paths.toSorted())
  })

  test('has no route of a model call, and none that manages the account', () => {
    for (const { path } of dialects.keys()) assert.ok(!lines.includes(`POST ${path}`), path)
    for (const { path } of apiRoutes)
      assert.doesNotMatch(path, /organization|project|webhook|realtime|admin|client_secret|permission/)
  })

  test('lists objects only by their own path, and creates them by a POST', () => {
    for (const { method, path, lists, creates, isUpload } of apiRoutes) {
      if (lists !== undefined) assert.ok(method === 'GET' && !path.includes('{'), path)
      if (creates !== undefined || isUpload === true) assert.equal(method, 'POST', path)
    }
  })

  test('has the same kind for the object that a path creates and for the id below it', () => {
    for (const { path, lists, creates, createdAt } of apiRoutes) {
      const kind = lists ?? (createdAt === undefined && !path.includes('{') ? creates : undefined)
      const below = apiRoutes.filter(({ path: other }) => new RegExp(`^${path}/\\{\\w+\\}$`).test(other))
      for (const { path: other } of kind === undefined ? [] : below) assert.equal(other, `${path}/{${kind}}`)
    }
  })

  test('knows every route of the official client, or has a reason against it', () => {
    const resources = join(import.meta.dirname, '../../../node_modules/openai/resources')
    const call = /_client\.(get|post|delete|getAPIList)\(\s*(?:path\s*)?[`']([^`'?]+)/g
    const unknown = readdirSync(resources, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.mjs'))
      .flatMap((file) => [...readFileSync(join(resources, file), 'utf8').matchAll(call)])
      .map(([, method = '', path = '']) => ({ method, path: path.replaceAll(/\$\{[^}]+\}/g, 'id1') }))
      .filter(({ path }) => !isModelRoute(path) && findApiPath(path) === undefined)
      .map(({ path }) => path)
    assert.ok(unknown.length > 50)
    assert.deepEqual(
      unknown.filter((path) => whyNotPassed(path) === whyNotPassed('/unheard/of')),
      [],
    )
  })
})

function isModelRoute(path: string): boolean {
  return [...dialects.keys()].some((dialect) => dialect.path === path)
}

suite('a path', () => {
  test('is found in its normal form only', () => {
    assert.deepEqual(findApiPath('/files/file-1/content')?.ids, ['file-1'])
    assert.deepEqual(findApiPath('/evals/a/runs/b/output_items/c')?.ids, ['a', 'b', 'c'])
    assert.equal(findApiPath('/videos/edits')?.path, '/videos/edits')
    assert.equal(findApiPath('/videos/video_1')?.path, '/videos/{video}')
    const odd = [
      '/FILES',
      '/files/',
      '//files',
      '/files//content',
      '/files/.',
      '/files/..',
      '/files/a%2fb',
      '/files/a%61',
    ]
    const more = [
      '/files/a/../b',
      '/files/a;b',
      '/files/a b',
      '/files/a\\b',
      '/files/é',
      '/files/-a',
      'files',
      '',
      '/',
    ]
    for (const path of [...odd, ...more]) assert.equal(findApiPath(path), undefined, path)
  })

  test('is one that no program reads otherwise: decoded, or resolved as a URL, it is the same', () => {
    const segment = fc.oneof(
      fc.constantFrom('files', 'content', '..', '.', '', '%2e', 'a%2f', 'v1', '~', ':'),
      fc.string({ unit: 'grapheme-ascii', maxLength: 6 }),
    )
    const paths = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
    fc.assert(
      fc.property(
        fc.oneof(
          paths,
          segment.map((id) => `/files/${id}`),
        ),
        (path) => {
          if (findApiPath(path) === undefined) return
          assert.equal(decodeURIComponent(path), path)
          assert.equal(new URL(`http://host${path}`).pathname, path)
        },
      ),
      { numRuns: 5_000 },
    )
  })
})
