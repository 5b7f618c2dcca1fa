"""
The page's script: a slider that moves one cursor through all charts, and a moment onto the stage.

It only moves what the page holds already, makes no markup out of text and fetches nothing. The
address may name a moment: `report.html#t=3.5` shows 3.5 s into each stream.
"""

SCRIPT = """
'use strict';
document.documentElement.classList.add('js');

function follow(run) {
  const rows = [...run.querySelectorAll('.film tr')];
  const times = [...run.querySelectorAll('.film time')];
  const seconds = times.map(time => Number(time.dataset.s));
  const slider = run.querySelector('.slider');
  const button = run.querySelector('.play');
  const readout = run.querySelector('.readout');
  let shown = 0, timer = 0;

  function show(place) {
    shown = Math.max(0, Math.min(times.length - 1, place));
    for (const row of rows) {
      const cell = row.cells[shown + 1];
      for (const other of row.cells) other.classList.toggle('now', other === cell);
      if (row.className === 'readouts') {
        readout.replaceChildren(...cell.cloneNode(true).childNodes);
        slider.setAttribute('aria-valuetext', cell.textContent);
      }
      const figure = run.querySelector(`figure[data-slot="${row.dataset.slot}"]`);
      if (figure) figure.lastElementChild.replaceWith(cell.firstElementChild.cloneNode(true));
    }
    slider.value = times[shown].dataset.at;
    run.style.setProperty('--at', times[shown].dataset.at + '%');
  }

  function nearest(values, wanted) {
    const away = values.map(value => Math.abs(value - wanted));
    return away.indexOf(Math.min(...away));
  }
  const seek = share => show(nearest(times.map(time => Number(time.dataset.at)), share));

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = '\\u25B6';
    button.setAttribute('aria-label', 'play');
  }
  function play() {
    if (timer) return stop();
    const length = seconds[seconds.length - 1] - seconds[0];
    const step = Math.max(60, 1000 * length / Math.max(1, times.length - 1));
    button.textContent = '\\u275A\\u275A';
    button.setAttribute('aria-label', 'stop');
    if (shown === times.length - 1) show(0);
    timer = setInterval(() => shown < times.length - 1 ? show(shown + 1) : stop(), step);
  }

  function jump() {
    const named = /^#t=(\\d+(?:\\.\\d+)?)$/.exec(location.hash);
    show(named ? nearest(seconds, Number(named[1])) : Number(slider.dataset.first));
  }

  slider.addEventListener('input', () => { stop(); seek(Number(slider.value)); });
  slider.addEventListener('keydown', event => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (step) { event.preventDefault(); stop(); show(shown + step); }
  });
  button.addEventListener('click', play);
  for (const area of run.querySelectorAll('.timeline .area')) {
    const point = event => {
      const box = area.getBoundingClientRect();
      seek(100 * (event.clientX - box.left) / box.width);
    };
    area.addEventListener('pointerdown', event => { stop(); point(event); });
    area.addEventListener('pointermove', event => { if (event.buttons) point(event); });
  }
  run.querySelector('.film').addEventListener('click', event => {
    const cell = event.target.closest('td');
    if (cell) { stop(); show(cell.cellIndex - 1); }
  });
  addEventListener('hashchange', jump);
  jump();
}

for (const run of document.querySelectorAll('.run')) if (run.querySelector('.film')) follow(run);
"""
