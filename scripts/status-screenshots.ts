// Takes the pictures of the status page in docs/images/ with the Chromium of the machine: `node scripts/status-screenshots.ts`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { launchChromium } from '../test/browser/chromium.ts'
import { servePage } from '../test/browser/status/page-server.ts'
import { brokenReport, busyReport, emptyReport } from '../test/browser/status/reports.ts'

const folder = process.argv[2] ?? join(import.meta.dirname, '../docs/images')
mkdirSync(folder, { recursive: true })

const shots = [
  ['status-light', busyReport, { width: 1280, height: 900 }, 'light'],
  ['status-dark', busyReport, { width: 1280, height: 900 }, 'dark'],
  ['status-broken', brokenReport, { width: 1280, height: 900 }, 'light'],
  ['status-empty', emptyReport, { width: 1280, height: 900 }, 'light'],
  ['status-narrow', brokenReport, { width: 320, height: 720 }, 'dark'],
] as const

const cleanups: (() => unknown)[] = []
const cleanup = { after: (step: () => unknown) => void cleanups.push(step) }
const browser = await launchChromium({})
for (const [name, report, viewport, colorScheme] of shots) {
  const { url } = await servePage(cleanup, report)
  const context = await browser.newContext({
    viewport,
    colorScheme,
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
  })
  await context.clock.setFixedTime(report.now)
  const page = await context.newPage()
  await page.goto(`${url}/status`)
  await page.locator('#providers table').waitFor()
  await page.screenshot({ path: join(folder, `${name}.png`) })
  if (process.argv[2] !== undefined) {
    await page.screenshot({ path: join(folder, `${name}-whole.png`), fullPage: true })
  }
  await context.close()
}
await browser.close()
for (const step of cleanups) await step()
