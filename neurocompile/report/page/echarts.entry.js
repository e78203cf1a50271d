import { BarChart, CustomChart, GraphChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapContinuousComponent } from "echarts/components";
import { use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
export { getInstanceByDom, init } from "echarts/core";
use([AriaComponent, BarChart, CanvasRenderer, CustomChart, GraphChart, GridComponent, HeatmapChart, LegendComponent, LineChart, MarkLineComponent, ScatterChart, TooltipComponent, VisualMapContinuousComponent]);
