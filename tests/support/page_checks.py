"""Scripts that look at a page in a browser."""

from __future__ import annotations

CONTRASTS = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    if (element instanceof SVGElement && element.closest('a'))
      return rgb(getComputedStyle(element.closest('a').querySelector('.card')).fill);
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  document.querySelectorAll('details').forEach(d => d.open = true);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), element = walk.currentNode.parentElement;
    if (!text || element.closest('title')) continue;
    const style = getComputedStyle(element);
    const a = light(rgb(element instanceof SVGElement ? style.fill : style.color)), b = light(behind(element));
    found.push([text.slice(0, 40), (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]);
  }
  return found;
})()"""
"""For every text on the page: what it says, and its contrast (WCAG 2.2) against what is painted behind it."""

STICKING_OUT = """(() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const wide = [...document.body.querySelectorAll('*')].filter(
    e => !e.closest('.scroll svg') && !e.closest('thead') && e.getBoundingClientRect().right > innerWidth + .5
  ).map(e => e.outerHTML.slice(0, 80));
  return [document.documentElement.scrollWidth > innerWidth, wide];
})()"""
"""Texts that stick out of the window; what scrolls by itself may be wider."""
