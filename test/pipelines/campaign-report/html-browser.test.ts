/** The page of a campaign in a real browser. Its pictures are left in test/artefacts. */
import { expect, test } from 'vitest';
import { formatHtml } from '../../../pipelines/campaign-report/format/html.ts';
import { describeInBrowser, keepPicture } from '../../helpers/browser.ts';
import { hostileCampaign } from '../../helpers/campaign-document.ts';

const DAYS = Array.from({ length: 72 }, (_, hour) => new Date(Date.UTC(2026, 7, 22, hour)).toISOString());
const html = [...formatHtml(hostileCampaign(DAYS))].join('');

/** What a page's own scripts have there. */
interface InPage {
  readonly document: { readonly documentElement: { readonly scrollWidth: number } };
}

describeInBrowser('the page of a campaign', (browser) => {
  test.each([
    [1_280, 'light'],
    [1_280, 'dark'],
    [360, 'light'],
  ] as const)(
    '%i wide, %s: runs nothing, asks for nothing, and is no wider than the window',
    async (width, scheme) => {
      const { page, troubles } = await browser.open(html, {
        viewport: { width, height: 900 },
        colorScheme: scheme,
      });
      await page.locator('summary', { hasText: 'Hour by hour' }).click();
      expect(await page.locator('details table tbody tr').count()).toBe(72);
      const wide = await page.evaluate(
        () => (globalThis as unknown as InPage).document.documentElement.scrollWidth,
      );
      expect(wide).toBeLessThanOrEqual(width);
      for (const box of await page.locator('table.flow th[scope="row"]').all())
        expect((await box.boundingBox())?.width).toBeGreaterThan(80);
      // Each text of the chart within the picture.
      const chart = await page.locator('svg.hours').boundingBox();
      for (const mark of await page.locator('svg.hours text').all()) {
        const box = await mark.boundingBox();
        expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(
          (chart?.x ?? 0) + (chart?.width ?? 0) + 1,
        );
      }
      expect(troubles).toEqual([]);
      await keepPicture(page, `campaign-${width}-${scheme}`);
    },
  );
});
