import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualFromMarkdown } from '../../scripts/manual-from-markdown.ts'

test('a table becomes items', () => {
  const lines = manualFromMarkdown(
    '## server\n\nText.\n\n| key | type | default | meaning |\n|---|---|---|---|\n| `a` | text | `1` | Is \\| it. |',
  )
  assert.equal(lines, '.SH server\nText.\n.TP\n\\fBa\\fR\ntext, default \\fB1\\fR.\nIs | it.')
})
